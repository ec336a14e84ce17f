"""What a figure of a run should be, learnt from the runs before."""
