"""Write the parts of the Python client that follow from the API document."""
