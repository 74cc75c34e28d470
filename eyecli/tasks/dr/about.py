"""What the dr task says of itself in cards and reports."""

from __future__ import annotations

from eyecli.evaluation.study import About

ABOUT = About(
    use="The model grades diabetic retinopathy in colour fundus photographs on the international "
    "scale (Wilkinson et al. 2003), for research on screening.",
    inputs="Square RGB photographs, 0 to 255, cut around the circle of the fundus as `preprocess "
    "dr` does.",
    outputs="A logit for each boundary between grades (is the grade at least 1, 2, 3, 4?), from "
    "which probabilities of the grades follow, and an embedding of pooled features. With the "
    "setting `loss cross-entropy` there is a logit for each grade, with `corn` each boundary is "
    "asked of those that reach the one before, and with `mse` there is one score.",
    network="The network is an image backbone whose feature maps of several scales are averaged "
    "and maximised over the picture, and one linear layer.",
    optimiser="",
    training="With the setting `trainable head` the backbone stays as pretrained, its weights "
    "rounded to half precision, and the linear layer is fitted in closed form: ridge regression "
    "of whether the grade reaches each boundary, on every photograph and on changed views of it, "
    "the penalty chosen on photographs whose group is left out, and the scores of those brought "
    "to logits (Platt 1999). With any other value it is trained step by step with Adam (Kingma "
    "and Ba 2015). With the setting `fusion both-eyes` the log odds of the other eye of "
    "the same patient enter those of a photograph by logistic regression on rows that the network "
    "was not fitted on, in partitions where 20 patients have both eyes among those rows and in no "
    "other; the exported model sees one photograph, and carries the coefficients where there are "
    "any.",
    outcome="classification",
    truth="The truth is the grade that the data come with: the opinion of one or more readers of "
    "the photograph, not of an examination.",
    metrics="Agreement is Cohen's kappa with quadratic weights; discrimination is the area under "
    "the ROC curve.",
    limits=(
        "Cameras, clinics and people other than those of the data are not covered until an "
        "external validation says so.",
        "Photographs that show too little are left out, not graded.",
        "Other eye diseases are not looked for.",
    ),
)
