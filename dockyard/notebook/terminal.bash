# The start-up file of the course's terminals, in place of ~/.bashrc: that often sets DOCKER_HOST or
# PATH, and docker would then reach another daemon than the cells do.
PS1='\[\e[1;34m\]${DOCKER_CONFIG##*/}\[\e[0m\]:\W\$ '
# As in cells (dockyard/core/umask.py).
umask $(printf '%03o' $((0$(umask) & 022)))
alias ls='ls --color=auto' grep='grep --color=auto'

docker() {
    # Without its configuration, docker would ask the daemon of this computer.
    if ! [ -s "$DOCKER_CONFIG/config.json" ]; then
        echo "The course's Docker configuration is gone, so nothing was run: $DOCKER_CONFIG" >&2
        echo "Make it again:  python3 -m dockyard engine start, then open another terminal" >&2
        return 1
    fi
    command docker "$@" || {
        local code=$?
        timeout 3 docker --context dockyard version 2>&1 |
            grep -q 'Cannot connect to the Docker daemon\|failed to connect to the docker API' &&
            echo "→ The engine of the course does not run:  python3 -m dockyard engine start" >&2
        return $code
    }
}

__dockyard_environment() {
    # %terminal has set all variables of a lesson already. Else they are those of this folder's
    # lesson. The engine brings its docker client along: while it is set up, each prompt asks again.
    if [ "${DOCKER_CONFIG##*/}" = course ]; then
        [ -e "$DOCKYARD_HOME/course.json" ] || return
        local lines
        lines=$(python3 -m dockyard engine env 2> /dev/null) || return
        eval "$lines"
    fi
    # These keep the output of cells plain.
    unset BUILDKIT_PROGRESS COMPOSE_ANSI COMPOSE_MENU COMPOSE_PROGRESS DOCKER_CLI_HINTS NO_COLOR
    PROMPT_COMMAND=__dockyard_record
}

# What is typed at a lab is kept for the learner, who may hand it in (dockyard/labs/work_record.py).
__dockyard_record() {
    local code=$? last
    last=$(HISTTIMEFORMAT='' history 1)
    if [ -n "$__dockyard_seen" ] && [ "$last" != "$__dockyard_seen" ] &&
        [ -n "$DOCKYARD_TYPED" ] && [[ ${DOCKER_CONFIG##*/} = lab-* ]] &&
        [[ $last =~ ^\ *[0-9]+\*?\ +(.*)$ ]]; then
        printf '%s\0' "$EPOCHREALTIME" "$code" "$PWD" "${BASH_REMATCH[1]}" \
            2> /dev/null >> "$DOCKYARD_TYPED"
    fi
    __dockyard_seen="${last:-none}"
}
PROMPT_COMMAND=__dockyard_environment
__dockyard_environment
[ "$PROMPT_COMMAND" = __dockyard_record ] ||
    echo "The Docker engine does not run yet; the side bar shows what is being set up."
