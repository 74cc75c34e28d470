"""Per-user calibration: regressors on a frozen gaze model, their choice, verdict and head file."""
