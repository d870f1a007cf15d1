"""What can be broken, on whom, how it is undone: values, and the scripts that they become."""
