"""Training: seeds and devices, `fit`, the settings and the folder of a run."""
