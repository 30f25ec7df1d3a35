"""The paper's experiments as comparisons over distinct runs, their analysis and the report."""
