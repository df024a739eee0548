"""Ways of breaking the rules, and the rule that each one breaks."""
