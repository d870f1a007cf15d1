"""Say what a history shows: numbers, objectives, plots, one page of HTML."""
