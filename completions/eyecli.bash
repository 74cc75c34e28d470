# Completion of eyecli for bash, made by `eyecli completions bash`: do not edit.
_eyecli() {
    local current=${COMP_WORDS[COMP_CWORD]} path=eyecli words= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${COMP_WORDS[i]}" in
            'eyecli demo' | 'eyecli fetch path' | 'eyecli fetch sample' | 'eyecli fetch' | 'eyecli preprocess gaze' | 'eyecli preprocess' | 'eyecli train gaze' | 'eyecli train' | 'eyecli calibrate user' | 'eyecli calibrate' | 'eyecli export coreml' | 'eyecli export' | 'eyecli check-ane' | 'eyecli evaluate' | 'eyecli compare' | 'eyecli workspace ls' | 'eyecli workspace show' | 'eyecli workspace path' | 'eyecli workspace lineage' | 'eyecli workspace verify' | 'eyecli workspace alias' | 'eyecli workspace' | 'eyecli completions') path="$path ${COMP_WORDS[i]}" ;;
        esac
    done
    case "$path" in
        'eyecli demo') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli fetch path') words='--layout --name --licence --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli fetch sample') words='--folder --subjects --points --frames --seed --name --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli fetch') words='path sample --help' ;;
        'eyecli preprocess gaze') words='--eye-size --face-size --unit --screen-px --screen-cm --distance-cm --split --group --seed --unsafe-split --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli preprocess') words='gaze --help' ;;
        'eyecli train gaze') words='--split --epochs --batch-size --learning-rate --seed --fold --inputs --head --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli train') words='gaze --help' ;;
        'eyecli calibrate user') words='--model --fold --user --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli calibrate') words='user --help' ;;
        'eyecli export coreml') words='--fold --deployment-target --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli export') words='coreml --help' ;;
        'eyecli check-ane') words='--force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli evaluate') words='--require --require-lower --on --fold --other-people --calibration-points --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli compare') words='--on --fold --other-people --format --split --force --dry-run --workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace ls') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace show') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace path') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace lineage') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace verify') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace alias') words='--workspace --json --quiet --verbose --debug --help' ;;
        'eyecli workspace') words='ls show path lineage verify alias --help' ;;
        'eyecli completions') words='--workspace --json --quiet --verbose --debug --help' ;;
        eyecli) words='demo fetch preprocess train calibrate export check-ane evaluate compare workspace completions --version --help' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}
complete -F _eyecli eyecli
