"""The checks of `midnight doctor`: small functions that change nothing and return findings."""
