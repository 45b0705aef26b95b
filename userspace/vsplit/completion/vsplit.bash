# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# bash completion for vsplit. Names come from the agent; without one there are none.

# The value of the last given option out of those named, or nothing.
_vsplit_value() {
    local i
    for ((i = COMP_CWORD - 1; i > 0; i--)); do
        case " $* " in
            *" ${COMP_WORDS[i - 1]} "*) printf '%s' "${COMP_WORDS[i]}"; return ;;
        esac
    done
}

# Names of the objects of kind $1, in the namespace that is being typed.
_vsplit_names() {
    local ns socket
    local -a options=()
    ns=$(_vsplit_value -n --namespace)
    socket=$(_vsplit_value --socket)
    [ -z "$ns" ] || options+=(-n "$ns")
    [ -z "$socket" ] || options+=(--socket "$socket")
    vsplit get "$1" -o name "${options[@]}" 2>/dev/null | sed 's|^[^/]*/||'
}

# The subcommand and its words without options: in `words`.
_vsplit_words() {
    local i word
    words=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -n | --namespace | --socket | -f | --filename | -o | --output | --interval | --from | --to | --pod | --labels | --node | --locality) ((i++)) ;;
            -*) ;;
            *) words+=("$word") ;;
        esac
    done
}

_vsplit_options() {
    case $1 in
        apply) echo '-f --filename -n --namespace --dry-run' ;;
        get) echo '-n --namespace -A --all-namespaces -o --output' ;;
        delete) echo '-f --filename -n --namespace --ignore-not-found' ;;
        status) echo '-o --output' ;;
        top) echo '--once --interval' ;;
        explain) echo '--from --to -n --namespace -o --output' ;;
        route) echo '-f --filename -R --recursive --pod -n --namespace --labels --node --locality --registry-only -o --output --batch' ;;
        analyze) echo '-f --filename -n --namespace -o --output' ;;
        validate) echo '-f --filename -R --recursive -n --namespace -o --output' ;;
        health) echo '--ready' ;;
        version) echo '--client' ;;
    esac
    echo '--socket --help'
}

_vsplit() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local kinds='virtualservices vs destinationrules dr serviceentries se workloadentries we sidecars services svc endpointslices pods po namespaces ns nodes no'
    local candidates=''
    local -a words
    _vsplit_words
    COMPREPLY=()
    case $previous in
        -f | --filename | --socket)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        -n | --namespace) candidates=$(_vsplit_names namespaces) ;;
        -o | --output)
            candidates=json
            [ "${words[0]:-}" != get ] || candidates='wide name yaml json'
            case "${words[0]:-}" in route | validate) candidates='text json' ;; esac
            ;;
        --from) candidates=$(_vsplit_names pods) ;;
        --to | --interval | --pod | --labels | --node | --locality) return ;;
        *)
            case $current in
                -*) candidates=$(_vsplit_options "${words[0]:-}") ;;
                *)
                    case "${words[0]:-}/${#words[@]}" in
                        /0) candidates='apply get delete status top explain analyze route validate health kubeconfig token version completion' ;;
                        get/1) candidates="$kinds all image endpoints" ;;
                        delete/1) candidates=$kinds ;;
                        get/* | delete/*) candidates=$(_vsplit_names "${words[1]}") ;;
                        completion/1) candidates=bash ;;
                    esac
                    ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
}

complete -F _vsplit vsplit
