"""The container engine that the tests need: found, or started for them, with the images that they build on."""
