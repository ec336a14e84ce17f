"""What ``make doctor`` looks at: small functions that change nothing and give findings."""
