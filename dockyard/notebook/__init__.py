"""What a notebook loads: the IPython extension, the shell runner, plots and tables."""
