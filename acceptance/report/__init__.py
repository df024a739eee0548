"""From test outcomes to the verdict, signoff.json and the page for the release approver."""
