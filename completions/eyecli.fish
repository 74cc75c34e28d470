# Completion of eyecli for fish, made by `eyecli completions fish`: do not edit.
complete -c eyecli -f
function __eyecli_at
    set -l at eyecli
    for word in (commandline -opc)[2..]
        if contains -- "$at $word" 'eyecli demo' 'eyecli fetch path' 'eyecli fetch sample' 'eyecli fetch' 'eyecli preprocess gaze' 'eyecli preprocess' 'eyecli train gaze' 'eyecli train' 'eyecli calibrate user' 'eyecli calibrate' 'eyecli export coreml' 'eyecli export' 'eyecli check-ane' 'eyecli evaluate' 'eyecli workspace ls' 'eyecli workspace show' 'eyecli workspace path' 'eyecli workspace lineage' 'eyecli workspace verify' 'eyecli workspace alias' 'eyecli workspace' 'eyecli schema' 'eyecli completions'
            set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
function __eyecli_root
    set -l words (commandline -opc)
    set -l at (contains -i -- --workspace $words)
    if set -q at[1]; and set -q words[(math $at + 1)]
        echo $words[(math $at + 1)]
    else if set -q EYECLI_WORKSPACE
        echo $EYECLI_WORKSPACE
    else
        echo eyecli-workspace
    end
end
function __eyecli_references
    set -l root (__eyecli_root)
    for kind in $argv
        for folder in $root/$kind/*/v* $root/$kind/*/*/v*
            string match -qr '/v\d+$' -- $folder; or continue
            set -l family (string replace -- "$root/" '' (string replace -r '/v\d+$' '' -- $folder))
            echo $family@v(string replace -r '.*/v0*' '' -- $folder)
            echo $family@latest
        end
        for folder in $root/aliases/$kind/*/*/000001.json $root/aliases/$kind/*/*/*/000001.json
            set -l parts (string split / -- (string replace -- "$root/aliases/" '' $folder))
            # Aliases of splits that begin so are eyecli's own.
            string match -q 'of-*' -- $parts[-2]; or echo (string join / $parts[1..-3])@$parts[-2]
        end
    end | sort -u
end
function __eyecli_runs
    for folder in (__eyecli_root)/runs/*/
        string split / -- $folder | tail -n 2 | head -n 1
    end
end
complete -c eyecli -n '__eyecli_at eyecli demo' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli demo' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli demo' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli demo' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli demo' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli demo' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli demo' -F
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l layout -x -d 'eye-crops or image-table; recognised by default.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l name -x -d 'Third part of the reference.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l licence -x -d 'Licence or terms of the data, kept with all that is made of it.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli fetch path' -F
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l folder -r -F -d 'Where the files go; samples/ in the workspace by default.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l subjects -x -d 'People to render.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l points -x -d 'Targets a person looks at.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l frames -x -d 'Frames a target.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l seed -x -d 'Seed of the people and the targets.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l name -x -d 'Third part of the reference.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli fetch sample' -F
complete -c eyecli -n '__eyecli_at eyecli fetch' -a path -d 'A local folder, by reference: its files are hashed, not copied.'
complete -c eyecli -n '__eyecli_at eyecli fetch' -a sample -d 'Small generated data to try a task with: made here, without a network.'
complete -c eyecli -n '__eyecli_at eyecli fetch' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l eye-size -x -d 'Side of the eye crops in pixels.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l face-size -x -d 'Side of the face crops in pixels.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l unit -x -a 'px cm' -d 'Unit of the targets: px from the screen'"'"'s top left corner (y down), or cm.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l screen-px -x -d 'Screen in pixels, such as 1366x768; checks targets.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l screen-cm -x -d 'Screen in cm, such as 34.4x19.3; gives errors in cm.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l distance-cm -x -d 'Eye to screen in cm; with the screen gives degrees.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l split -r -F -a '(__eyecli_references split)' -d 'holdout[:0.2], kfold:5, kfold:5x3 (drawn 3 times) or leave-one-group-out.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l group -x -a 'subject none' -d 'Keep together: subject, or none (by sample: not subject-independent).'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l seed -x -d 'Seed of the draw.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l unsafe-split -x -d 'Accept leaks, for this REASON, which every report repeats.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l table -x -d 'Table of the source: a CSV in its folder, or anywhere else.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l columns -x -d 'Its names of columns, such as subject=monkey_id,target_x=gx (see eyecli schema).'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l filename -x -d 'Fields in file names, such as '"'"'{subject}_{point}_{eye}.png'"'"'; {} is not kept.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli preprocess gaze' -F -a '(__eyecli_references source)'
complete -c eyecli -n '__eyecli_at eyecli preprocess' -a gaze -d 'Gaze estimation from eye and face images: read, check, crop, store and split by subject.'
complete -c eyecli -n '__eyecli_at eyecli preprocess' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l split -r -F -a '(__eyecli_references split)' -d 'A split'"'"'s reference, or a scheme (kfold:5x5, leave-one-group-out): another split of the same data. That of the preparation by default.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l epochs -x -d 'Passes over the train part.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l batch-size -x -d 'Samples a step.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l learning-rate -x -d 'Peak rate of Adam; cosine schedule with warm-up.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l seed -x -d 'Seed of weights, order and augmentation.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l fold -x -d 'Train this partition of the split only; -1 trains all.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l inputs -x -d 'Any of face,eyes,boxes; all that were prepared by default.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l head -x -a 'ridge net' -d 'Last layer: ridge regression on the embedding, or as trained.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli train gaze' -F -a '(__eyecli_references prepared)'
complete -c eyecli -n '__eyecli_at eyecli train' -a gaze -d 'Gaze estimation from eye and face images: train a model for every partition of the split.'
complete -c eyecli -n '__eyecli_at eyecli train' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l model -r -F -a '(__eyecli_references model head)' -d 'The frozen base model; the latest by default.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l fold -x -d 'Fold of a cross-validated model.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l user -x -d 'Name of the user in the reference.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli calibrate user' -F
complete -c eyecli -n '__eyecli_at eyecli calibrate' -a user -d 'Fit identity, bias, affine or ridge, chosen by leave-one-point-out error.'
complete -c eyecli -n '__eyecli_at eyecli calibrate' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l fold -x -d 'Fold of a cross-validated model; needed if there are several.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l deployment-target -x -a 'iOS16 iOS17 iOS18' -d 'Oldest system that has to run it.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli export coreml' -F -a '(__eyecli_references model head)'
complete -c eyecli -n '__eyecli_at eyecli export' -a coreml -d 'Convert a model, or a user'"'"'s head, to an .mlpackage and verify it on this machine.'
complete -c eyecli -n '__eyecli_at eyecli export' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli check-ane' -F -a '(__eyecli_references coreml)'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l require -x -d 'A bound such as '"'"'auc>=0.95'"'"' or '"'"'error_mean_px/subjects<=40'"'"', names as in metrics.csv; may be given several times. Exit code 4 if one is not met.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l require-lower -d 'Ask it of the unfavourable end of the 95 % interval.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l calibration-points -x -d 'Gaze: points of each test subject used to calibrate; the others test it. 0 for none.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l force -d 'Do it again even if it is there.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l dry-run -d 'Say what would be done; write nothing.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli evaluate' -F -a '(__eyecli_references model head)'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli workspace ls' -F
complete -c eyecli -n '__eyecli_at eyecli workspace show' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli workspace show' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace show' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli workspace show' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli workspace show' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli workspace show' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli workspace show' -F -a '(__eyecli_references source prepared split model predictions head coreml ane report)'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli workspace path' -F -a '(__eyecli_references source prepared split model predictions head coreml ane report)'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli workspace lineage' -F -a '(__eyecli_references source prepared split model predictions head coreml ane report)'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli workspace verify' -F -a '(__eyecli_references source prepared split model predictions head coreml ane report)'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli workspace alias' -F
complete -c eyecli -n '__eyecli_at eyecli workspace' -a ls -d 'List artifacts, a line each: reference, digest, end, size, aliases.'
complete -c eyecli -n '__eyecli_at eyecli workspace' -a show -d 'Print the manifest of an artifact as JSON.'
complete -c eyecli -n '__eyecli_at eyecli workspace' -a path -d 'Print the folder of an artifact.'
complete -c eyecli -n '__eyecli_at eyecli workspace' -a lineage -d 'Print what an artifact was made from, and that from what.'
complete -c eyecli -n '__eyecli_at eyecli workspace' -a verify -d 'Re-hash artifacts; every changed file is named. Exit code 3 if there is any.'
complete -c eyecli -n '__eyecli_at eyecli workspace' -a alias -d 'Let a name stand for a version from now on; without a name list aliases and history.'
complete -c eyecli -n '__eyecli_at eyecli workspace' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli schema' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli schema' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli schema' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli schema' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli schema' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli schema' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli schema' -F
complete -c eyecli -n '__eyecli_at eyecli completions' -l workspace -r -F -d 'Folder of the artifacts.'
complete -c eyecli -n '__eyecli_at eyecli completions' -l json -d 'Print the manifest as JSON.'
complete -c eyecli -n '__eyecli_at eyecli completions' -l quiet -d 'Warnings only.'
complete -c eyecli -n '__eyecli_at eyecli completions' -l verbose -d 'Say more.'
complete -c eyecli -n '__eyecli_at eyecli completions' -l debug -d 'Traceback on failure.'
complete -c eyecli -n '__eyecli_at eyecli completions' -l help -d 'Show this message and exit.'
complete -c eyecli -n '__eyecli_at eyecli completions' -a 'bash zsh fish'
complete -c eyecli -n '__eyecli_at eyecli' -a demo -d 'Run fetch, preprocess, train, evaluate, export, check-ane and calibrate on rendered eyes.'
complete -c eyecli -n '__eyecli_at eyecli' -a fetch -d 'Bring raw data into the workspace.'
complete -c eyecli -n '__eyecli_at eyecli' -a preprocess -d 'Raw data to prepared arrays and a split.'
complete -c eyecli -n '__eyecli_at eyecli' -a train -d 'Prepared arrays to a model and predictions.'
complete -c eyecli -n '__eyecli_at eyecli' -a calibrate -d 'Fit a model to one user.'
complete -c eyecli -n '__eyecli_at eyecli' -a export -d 'A model to a verified Core ML package.'
complete -c eyecli -n '__eyecli_at eyecli' -a check-ane -d 'Judge every operation of a Core ML package: eligible, conditional, ineligible or unknown.'
complete -c eyecli -n '__eyecli_at eyecli' -a evaluate -d 'Metrics with 95 % intervals, trivial baselines on the same samples, report and plots.'
complete -c eyecli -n '__eyecli_at eyecli' -a workspace -d 'List, show, verify and name artifacts.'
complete -c eyecli -n '__eyecli_at eyecli' -a schema -d 'Print the fields of a raw layout with meaning and unit, and a minimal example.'
complete -c eyecli -n '__eyecli_at eyecli' -a completions -d 'Print the completion file of a shell, for example into ~/.zfunc/_eyecli.'
complete -c eyecli -n '__eyecli_at eyecli' -l version -d 'Print the version and exit.'
complete -c eyecli -n '__eyecli_at eyecli' -l help -d 'Show this message and exit.'
