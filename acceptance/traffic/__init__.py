"""Requests, in the order data flows: plans, sampler, records, attribution, availability; and the write ledger."""
