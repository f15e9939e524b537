"""Reading: what would this action do? A request becomes effects, controls and facts. Pure."""
