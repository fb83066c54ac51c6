"""From verdicts to a decision: a store of published results and deployments, and the rule that decides by them."""
