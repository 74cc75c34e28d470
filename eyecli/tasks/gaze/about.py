"""What the gaze task says of itself in cards and reports."""

from __future__ import annotations

from eyecli.evaluation.study import About
from eyecli.tasks.gaze.augmentation import JITTER

ABOUT = About(
    use="The model estimates where on a screen a person looks, from images of the eyes or the "
    "face, for research on gaze.",
    inputs="Square RGB crops of the eyes (the right one mirrored) or the face, 0 to 255, and the "
    "boxes of face and eyes as fractions of the frame, as far as they were prepared.",
    outputs="The position on the screen (x, y) in the unit of the targets, and an embedding of 128 "
    "values on which a person can be calibrated.",
    network="The network has a small residual convolution branch for each kind of image, shared "
    "by both eyes, and one linear layer each for the embedding and the position (after Krafka et "
    "al. 2016).",
    training="The loss is the mean squared error of the position, standardised by the training "
    "part; with the setting `head ridge` the last layer is then fitted anew by ridge regression on "
    "the embedding of the training and validation rows. In training every crop is changed at "
    f"random on its own: {JITTER.in_words()}.",
    outcome="regression",
    truth="The truth is the position of the target that the person was asked to look at; whether "
    "the person did look there was not verified.",
    metrics="The error is the Euclidean distance between predicted and true position; in degrees "
    "it is the angle between the two lines of sight.",
    limits=(
        "People, cameras, screens and light other than those of the data are not covered until an "
        "external validation says so.",
        "Without calibration, errors differ much between people; the mean says little of one "
        "person.",
    ),
    unknown={"screen_px": "", "screen_cm": "", "distance_cm": 0.0},
)
