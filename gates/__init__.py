"""What Symphony promises, checked: gates read the catalog and the files, and say what is wrong with either."""
