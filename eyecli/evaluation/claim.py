# ruff: noqa: E501
"""CLAIM, 2024 update (Tejani et al. 2024, Radiology: AI 6:e240300): 44 items."""

from __future__ import annotations

from eyecli.evaluation.checklists import Checklist, Item

CLAIM = Checklist(
    "CLAIM checklist (2024 update)",
    "Tejani et al. 2024, Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 "
    "Update, Radiology: Artificial Intelligence 6(4):e240300",
    (
        Item("1", "Title or abstract", "that this is a study of AI, and of which kind, such as deep learning"),
        Item("2", "Abstract", "a summary of design, methods, results and conclusions"),
        Item("3", "Introduction", "the background, and what the AI is to be used for", "use", "the scientific or clinical background"),
        Item("4", "Introduction", "aims, objectives and hypotheses"),
        Item("5", "Study design", "whether the study is prospective or retrospective"),
        Item("6", "Study design", "the goal of the study", "aims", "the goal: feasibility, superiority, a tool for use"),
        Item("7", "Data", "the sources of the data", "data", "who collected them, where and when"),
        Item("8", "Data", "who and what was included and excluded"),
        Item("9", "Data", "the preprocessing", "preparation", "what was done before the files were handed over"),
        Item("10", "Data", "how parts of the data were selected, if they were"),
        Item("11", "Data", "how the data were de-identified"),
        Item("12", "Data", "how missing data were handled", "missing", "data that were missing before the files were handed over"),
        Item("13", "Data", "how the images were acquired: devices and protocol"),
        Item("14", "Reference standard", "how the truth was obtained", "truth", "enough detail to obtain it again"),
        Item("15", "Reference standard", "why this truth was chosen"),
        Item("16", "Reference standard", "who annotated, and how they were trained"),
        Item("17", "Reference standard", "how the test set was annotated"),
        Item("18", "Reference standard", "how much annotators differ, among themselves and with themselves"),
        Item("19", "Data partitions", "how data were assigned to the parts", "split"),
        Item("20", "Data partitions", "at which level the parts are disjoint", "level"),
        Item("21", "Testing data", "the intended size of the test set, and why", "parts", "why that is enough"),
        Item("22", "Model", "the model in full: inputs, outputs, layers", "model"),
        Item("23", "Model", "software and its versions", "software"),
        Item("24", "Model", "how parameters were initialised", "initialisation"),
        Item("25", "Training", "the training in full: augmentation, settings, number of models", "trained", "how the settings were chosen; models other than these baselines"),
        Item("26", "Training", "how the final model was selected", "selection"),
        Item("27", "Training", "how models were combined, if they were", "ensemble"),
        Item("28", "Evaluation", "the metrics", "metrics"),
        Item("29", "Evaluation", "measures of significance and uncertainty", "intervals"),
        Item("30", "Evaluation", "analyses of robustness or sensitivity"),
        Item("31", "Evaluation", "methods that explain what the model does"),
        Item("32", "Evaluation", "the evaluation on internal data", "internal"),
        Item("33", "Evaluation", "the test on external data, or that there was none", "external"),
        Item("34", "Evaluation", "the registration of a clinical trial, if it is one"),
        Item("35", "Results: data", "numbers of patients or examinations included and excluded", "counts", "those excluded before the files were handed over, and why"),
        Item("36", "Results: data", "demographic and clinical characteristics of each part"),
        Item("37", "Results: performance", "the performance with its uncertainty", "performance"),
        Item("38", "Results: performance", "diagnostic accuracy and its precision, such as sensitivity and specificity", "accuracy"),
        Item("39", "Results: performance", "an analysis of the cases where it fails"),
        Item("40", "Discussion", "the limits of the study", "limits", "limits of the study as a whole"),
        Item("41", "Discussion", "what follows for practice, the intended use among it"),
        Item("42", "Other information", "where the full protocol or further details are"),
        Item("43", "Other information", "whether software, model and data are to be had", "licences", "where software, model and data are to be had"),
        Item("44", "Other information", "funding and other support, and the role of the funders"),
    ),
)  # fmt: skip
