"""Alerts: what happened, what readers have meanwhile, and what to do; pure, without any channel."""
