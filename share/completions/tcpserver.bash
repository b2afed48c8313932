# Completions of tcpserver for bash.
_tcpserver() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    case $previous in
        --listen)
            COMPREPLY=()
            return
            ;;
        --framing)
            COMPREPLY=($(compgen -W 'auto http head read-once eof nothing' -- "$current"))
            return
            ;;
        --send)
            local IFS=$'\n'
            COMPREPLY=($(compgen -f -- "$current"))
            return
            ;;
        --recv)
            local IFS=$'\n'
            COMPREPLY=($(compgen -f -- "$current"))
            return
            ;;
        --record)
            COMPREPLY=()
            return
            ;;
        --check)
            local IFS=$'\n'
            COMPREPLY=($(compgen -f -- "$current"))
            return
            ;;
        --count)
            COMPREPLY=()
            return
            ;;
        --cut)
            COMPREPLY=()
            return
            ;;
        --delay)
            COMPREPLY=()
            return
            ;;
        --pieces)
            COMPREPLY=()
            return
            ;;
        --throttle)
            COMPREPLY=()
            return
            ;;
        --lang)
            COMPREPLY=($(compgen -W 'ja en' -- "$current"))
            return
            ;;
    esac
    COMPREPLY=($(compgen -W '--listen --framing --send --recv --record --check --count --forever --keep-alive --cut --hold --reset --delay --pieces --throttle --transcript --hex --lang -q --quiet -h --help -V --version' -- "$current"))
}
complete -o filenames -o bashdefault -F _tcpserver tcpserver
