# Completion of eyecli for bash, made by `eyecli completions bash`: do not edit.
_eyecli_references() {
    local root=$1 kind folder name; shift
    for kind; do
        for folder in "$root/$kind"/*/v[0-9]* "$root/$kind"/*/*/v[0-9]*; do
            [[ -d $folder ]] || continue
            name=${folder##*/v} folder=${folder%/*}
            printf '%s@v%d\n%s@latest\n' "${folder#"$root"/}" "$((10#$name))" "${folder#"$root"/}"
        done
        for folder in "$root/aliases/$kind"/*/*/ "$root/aliases/$kind"/*/*/*/; do
            folder=${folder%/} name=${folder%/}
            name=${name##*/}
            # Aliases of splits that begin so are eyecli's own.
            [[ -f $folder/000001.json && $name != of-* ]] || continue
            folder=${folder%/*}
            printf '%s@%s\n' "${folder#"$root/aliases"/}" "$name"
        done
    done
}
_eyecli_runs() {
    local folder
    for folder in "$1"/runs/*/; do
        folder=${folder%/}
        [[ -d $folder ]] && printf '%s\n' "${folder##*/}"
    done
}
_eyecli() {
    local line=${COMP_LINE:0:COMP_POINT} current= previous= path=eyecli words= takes= what= i
    local root=${EYECLI_WORKSPACE:-eyecli-workspace} prefix=
    local -a typed
    # Without -r: a backslash keeps a blank, as on the line.
    read -a typed <<< "$line"
    local last=$((${#typed[@]} - 1))
    if [[ $line != *' ' ]]; then
        current=${typed[last]}
        last=$((last - 1))
    fi
    ((last > 0)) && previous=${typed[last]}
    for ((i = 1; i <= last; i++)); do
        case "$path ${typed[i]}" in
            'eyecli demo' | 'eyecli fetch path' | 'eyecli fetch url' | 'eyecli fetch kaggle' | 'eyecli fetch drive' | 'eyecli fetch rclone' | 'eyecli fetch weights' | 'eyecli fetch sample' | 'eyecli fetch' | 'eyecli synthesize gaze' | 'eyecli synthesize' | 'eyecli preprocess gaze' | 'eyecli preprocess dr' | 'eyecli preprocess' | 'eyecli train gaze' | 'eyecli train dr' | 'eyecli train' | 'eyecli calibrate user' | 'eyecli calibrate' | 'eyecli export coreml' | 'eyecli export' | 'eyecli check-ane' | 'eyecli evaluate' | 'eyecli predict' | 'eyecli compare' | 'eyecli push rclone' | 'eyecli push' | 'eyecli workspace ls' | 'eyecli workspace show' | 'eyecli workspace path' | 'eyecli workspace lineage' | 'eyecli workspace verify' | 'eyecli workspace alias' | 'eyecli workspace diff' | 'eyecli workspace export' | 'eyecli workspace import' | 'eyecli workspace gc' | 'eyecli workspace rehash' | 'eyecli workspace' | 'eyecli schema' | 'eyecli config show' | 'eyecli config' | 'eyecli doctor' | 'eyecli runs ls' | 'eyecli runs show' | 'eyecli runs tail' | 'eyecli runs stop' | 'eyecli runs' | 'eyecli completions' | 'eyecli config show demo' | 'eyecli config show fetch path' | 'eyecli config show fetch url' | 'eyecli config show fetch kaggle' | 'eyecli config show fetch drive' | 'eyecli config show fetch rclone' | 'eyecli config show fetch weights' | 'eyecli config show fetch sample' | 'eyecli config show fetch' | 'eyecli config show synthesize gaze' | 'eyecli config show synthesize' | 'eyecli config show preprocess gaze' | 'eyecli config show preprocess dr' | 'eyecli config show preprocess' | 'eyecli config show train gaze' | 'eyecli config show train dr' | 'eyecli config show train' | 'eyecli config show calibrate user' | 'eyecli config show calibrate' | 'eyecli config show export coreml' | 'eyecli config show export' | 'eyecli config show check-ane' | 'eyecli config show evaluate' | 'eyecli config show predict' | 'eyecli config show compare' | 'eyecli config show push rclone' | 'eyecli config show push' | 'eyecli config show workspace ls' | 'eyecli config show workspace show' | 'eyecli config show workspace path' | 'eyecli config show workspace lineage' | 'eyecli config show workspace verify' | 'eyecli config show workspace alias' | 'eyecli config show workspace diff' | 'eyecli config show workspace export' | 'eyecli config show workspace import' | 'eyecli config show workspace gc' | 'eyecli config show workspace rehash' | 'eyecli config show workspace' | 'eyecli config show schema' | 'eyecli config show config show' | 'eyecli config show config' | 'eyecli config show doctor' | 'eyecli config show runs ls' | 'eyecli config show runs show' | 'eyecli config show runs tail' | 'eyecli config show runs stop' | 'eyecli config show runs' | 'eyecli config show completions') path="$path ${typed[i]}" ;;
        esac
        case "${typed[i]}" in
            --workspace) ((i < last)) && root=${typed[i + 1]} ;;
            --workspace=*) root=${typed[i]#*=} ;;
        esac
    done
    case "$path" in
        'eyecli demo') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli fetch path') words='--layout --name --licence --copy --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--layout=one:face-sessions,eye-crops,image-table,gazecapture,kaggle-dr,dr-table,dr-class-folders,kermany,octid,oct-table,oct-class-folders,oct-volumes,scanpath-csv --name=any --licence=any --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli fetch url') words='--sha256 --md5 --folder --layout --name --licence --timeout --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--sha256=any --md5=any --folder=file --layout=any --name=any --licence=any --timeout=any --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli fetch kaggle') words='--file --folder --layout --name --licence --timeout --retries --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--file=any --folder=file --layout=any --name=any --licence=any --timeout=any --retries=any --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli fetch drive') words='--folder --layout --name --licence --timeout --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--folder=file --layout=any --name=any --licence=any --timeout=any --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli fetch rclone') words='--folder --include --exclude --bandwidth --transfers --checksum --check --no-check --layout --name --licence --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--folder=file --include=any --exclude=any --bandwidth=any --transfers=any --layout=any --name=any --licence=any --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli fetch weights') words='--mirror --name --licence --list --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--mirror=file --name=any --licence=any --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli fetch sample') words='--folder --subjects --points --frames --scans --seed --name --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--folder=file --subjects=any --points=any --frames=any --scans=any --seed=any --name=any --workspace=file --config=file --log-format=one:text,json' what=one:gaze,gaze-eyes,dr,oct,icp,scanpath ;;
        'eyecli fetch') words='path url kaggle drive rclone weights sample --help' takes='' what=none ;;
        'eyecli synthesize gaze') words='--subjects --points --stimulus-ms --fps --size --screen-px --screen-cm --camera-cm --distance-cm --seed --folder --name --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--subjects=any --points=any --stimulus-ms=any --fps=any --size=any --screen-px=any --screen-cm=any --camera-cm=any --distance-cm=any --seed=any --folder=file --name=any --workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli synthesize') words='gaze --help' takes='' what=none ;;
        'eyecli preprocess gaze') words='--eye-size --face-size --unit --screen-px --screen-cm --distance-cm --settle-ms --clock-offset-ms --processes --split --group --seed --unsafe-split --split-column --split-from --same-subjects --distinct-subjects --table --columns --filename --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--eye-size=any --face-size=any --unit=one:px,cm --screen-px=any --screen-cm=any --distance-cm=any --settle-ms=any --clock-offset-ms=any --processes=any --split=ref:split --group=one:subject,none --seed=any --unsafe-split=any --split-column=any --split-from=ref:split --table=any --columns=any --filename=any --workspace=file --config=file --log-format=one:text,json' what=ref:source ;;
        'eyecli preprocess dr') words='--size --enhance --min-quality --on-error --processes --split --group --seed --unsafe-split --split-column --split-from --same-subjects --distinct-subjects --table --columns --filename --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--size=any --enhance=one:none,graham,graham-fast,clahe --min-quality=any --on-error=one:stop,skip --processes=any --split=ref:split --group=one:subject,none --seed=any --unsafe-split=any --split-column=any --split-from=ref:split --table=any --columns=any --filename=any --workspace=file --config=file --log-format=one:text,json' what=ref:source ;;
        'eyecli preprocess') words='gaze dr --help' takes='' what=none ;;
        'eyecli train gaze') words='--split --seeds --sweep --epochs --batch-size --learning-rate --schedule --accumulate --ema --precision --patience --keep --seed --fold --max-time --checkpoint-minutes --pretrained --no-pretrained --weights --trainable --inputs --head --backbone --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--split=ref:split --seeds=any --sweep=any --epochs=any --batch-size=any --learning-rate=any --schedule=one:cosine,linear,constant --accumulate=any --ema=any --precision=one:float32,mixed_bfloat16,mixed_float16 --patience=any --keep=one:last,best --seed=any --fold=any --max-time=any --checkpoint-minutes=any --weights=any --trainable=one:all,head --inputs=any --head=one:ridge,net --backbone=one:compact,efficientnet-lite0,efficientnet-lite1,efficientnet-lite2 --workspace=file --config=file --log-format=one:text,json' what=ref:prepared ;;
        'eyecli train dr') words='--split --seeds --sweep --epochs --batch-size --learning-rate --schedule --accumulate --ema --precision --patience --keep --seed --fold --max-time --checkpoint-minutes --pretrained --no-pretrained --weights --trainable --loss --balance --progressive --no-progressive --test-views --target --backbone --pooling --views --dropout --fusion --enhance --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--split=ref:split --seeds=any --sweep=any --epochs=any --batch-size=any --learning-rate=any --schedule=one:cosine,linear,constant --accumulate=any --ema=any --precision=one:float32,mixed_bfloat16,mixed_float16 --patience=any --keep=one:last,best --seed=any --fold=any --max-time=any --checkpoint-minutes=any --weights=any --trainable=any --loss=one:cumulative,cross-entropy,mse,corn --balance=one:none,weights,resampling --test-views=any --target=one:grade,referable,any-dr --backbone=one:eyenet,efficientnet-lite0,efficientnet-lite1,efficientnet-lite2,efficientnetb0,efficientnetb1,efficientnetb2,efficientnetb3,resnet50,densenet121,xception,mobilenetv2 --pooling=one:avg,avgmax --views=any --dropout=any --fusion=one:none,both-eyes --enhance=one:none,graham,graham-fast,clahe --workspace=file --config=file --log-format=one:text,json' what=ref:prepared ;;
        'eyecli train') words='gaze dr --help' takes='' what=none ;;
        'eyecli calibrate user') words='--model --fold --user --kind --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--model=ref:model --fold=any --user=any --kind=one:auto,identity,bias,affine,ridge,quadratic,rbf,mlp --workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli calibrate') words='user --help' takes='' what=none ;;
        'eyecli export coreml') words='--refit-all --head --combine --fold --deployment-target --precision --compress --inputs --labels --ane-rewrite --no-ane-rewrite --allow-retrain --no-allow-retrain --parity-samples --allow-parity-failure --no-allow-parity-failure --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--head=ref:head --combine=one:functions,pipeline --fold=any --deployment-target=one:auto,iOS16,iOS17,iOS18 --precision=one:fp16,fp32 --compress=one:none,palettize4,palettize6,palettize8,int8 --inputs=one:image,tensor --labels=one:metadata,output --parity-samples=any --workspace=file --config=file --log-format=one:text,json' what=ref:model,head ;;
        'eyecli export') words='coreml --help' takes='' what=none ;;
        'eyecli check-ane') words='--chip --strict --sarif --measured --rules --chips --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--chip=one:h12,h13,h14,h15,h16,h17,M1,M1-Pro,M1-Max,M1-Ultra,M2,M2-Pro,M2-Max,M2-Ultra,M3,M3-Pro,M3-Max,M3-Ultra,M4,M4-Pro,M4-Max,M4-Ultra,M5,M5-Pro,M5-Max,M5-Ultra,A12,A12X,A12Z,A13,A14,A15,A16,A17-Pro,A18,A18-Pro,A19,A19-Pro --sarif=file --measured=file --workspace=file --config=file --log-format=one:text,json' what=ref:coreml,head ;;
        'eyecli evaluate') words='--require --require-lower --on --fold --other-people --calibration-points --gallery --no-gallery --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--require=any --on=ref:prepared --fold=any --other-people=any --calibration-points=any --workspace=file --config=file --log-format=one:text,json' what=ref:model ;;
        'eyecli predict') words='--model --format --columns --output --fold --min-quality --abstain --on-error --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--model=ref:model --format=one:csv,jsonl --columns=any --output=file --fold=any --min-quality=any --abstain=any --on-error=one:skip,stop --workspace=file --config=file --log-format=one:text,json' what=ref:source ;;
        'eyecli compare') words='--on --fold --other-people --format --split --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--on=ref:prepared --fold=any --other-people=any --format=one:table,csv,markdown,latex --split=one:test,val --workspace=file --config=file --log-format=one:text,json' what=ref:model ;;
        'eyecli push rclone') words='--bandwidth --transfers --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--bandwidth=any --transfers=any --workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli push') words='rclone --help' takes='' what=none ;;
        'eyecli workspace ls') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli workspace show') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace path') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace lineage') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace verify') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace alias') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace diff') words='--exit-code --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace export') words='--lineage --no-lineage --force --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=ref:source,weights,prepared,split,fold,model,predictions,head,coreml,ane,report,comparison ;;
        'eyecli workspace import') words='--dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli workspace gc') words='--grace --keep --dry-run --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--grace=any --keep=any --workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli workspace rehash') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli workspace') words='ls show path lineage verify alias diff export import gc rehash --help' takes='' what=none ;;
        'eyecli schema') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=one:face-sessions,eye-crops,image-table,gazecapture,kaggle-dr,dr-table,dr-class-folders,kermany,octid,oct-table,oct-class-folders,oct-volumes,scanpath-csv ;;
        'eyecli config show') words='demo fetch synthesize preprocess train calibrate export check-ane evaluate predict compare push workspace schema config doctor runs completions --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config') words='show --help' takes='' what=none ;;
        'eyecli doctor') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli runs ls') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=file ;;
        'eyecli runs show') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=run ;;
        'eyecli runs tail') words='--lines --follow --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--lines=any --workspace=file --config=file --log-format=one:text,json' what=run ;;
        'eyecli runs stop') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=run ;;
        'eyecli runs') words='ls show tail stop --help' takes='' what=none ;;
        'eyecli completions') words='--workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=one:bash,zsh,fish ;;
        eyecli) words='demo fetch synthesize preprocess train calibrate export check-ane evaluate predict compare push workspace schema config doctor runs completions --version --help' takes='' what=none ;;
        'eyecli config show demo') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch path') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch url') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch kaggle') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch drive') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch rclone') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch weights') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch sample') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show fetch') words='path url kaggle drive rclone weights sample --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show synthesize gaze') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show synthesize') words='gaze --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show preprocess gaze') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show preprocess dr') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show preprocess') words='gaze dr --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show train gaze') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show train dr') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show train') words='gaze dr --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show calibrate user') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show calibrate') words='user --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show export coreml') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show export') words='coreml --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show check-ane') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show evaluate') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show predict') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show compare') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show push rclone') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show push') words='rclone --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace ls') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace show') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace path') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace lineage') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace verify') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace alias') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace diff') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace export') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace import') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace gc') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace rehash') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show workspace') words='ls show path lineage verify alias diff export import gc rehash --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show schema') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show config show') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show config') words='show --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show doctor') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show runs ls') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show runs show') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show runs tail') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show runs stop') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show runs') words='ls show tail stop --origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
        'eyecli config show completions') words='--origin --workspace --json --quiet --verbose --debug --config --log-format --help' takes='--workspace=file --config=file --log-format=one:text,json' what=none ;;
    esac
    if [[ " $takes" == *" $previous="* && $previous == --* ]]; then
        what=" $takes "
        what=${what#* "$previous="}
        what=${what%% *}
        words=
    elif [[ $current != -* ]]; then
        # Flags are offered to who begins one, or where nothing else is known.
        [[ $what == none && ${words%%--*} != *[^' ']* ]] || words=${words%%--*}
    else
        what=
    fi
    local -a listed
    IFS=, read -ra listed <<< "${what#*:}"
    case "$what" in
        one:*) words="$words ${listed[*]}" ;;
        ref:*) words="$words $(_eyecli_references "$root" "${listed[@]}" | sort -u)" ;;
        run) words="$words $(_eyecli_runs "$root")" ;;
    esac
    COMPREPLY=($(IFS=$' \t\n'; compgen -W "$words" -- "$current"))
    if [[ $current == *@* && $COMP_WORDBREAKS == *@* ]]; then
        # Readline has broken the word at the @ and keeps what stands before it.
        prefix=${current%@*}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 0 && $what != any && $what != none && $current != -* ]]; then
        compopt -o filenames 2> /dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    fi
}
complete -F _eyecli eyecli
