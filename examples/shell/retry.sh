#!/bin/sh
# curl and its retry: the first answer breaks off, the second one is whole.
#     TCPSERVER=$PWD/target/debug/tcpserver sh examples/shell/retry.sh
set -eu

program=${TCPSERVER:-tcpserver}
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
# A path has to be absolute, since it is looked for from here. Without the program nothing would open the pipe.
command -v "$program" >/dev/null || { echo "$program is not there" >&2; exit 1; }

printf 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel' >broken.http
printf 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' >whole.http

# The journal goes through a named pipe: its first lines come when the program listens, so nothing has to wait for a time.
mkfifo pipe
"$program" --listen 127.0.0.1:0 --count 2 --send broken.http --send whole.http \
    --quiet --journal pipe &
server=$!
exec 3<pipe
read -r version <&3
read -r listening <&3
port=$(printf '%s\n' "$listening" | sed 's/.*"port":\([0-9]*\).*/\1/')

# To a file, which each try begins anew.
curl --silent --noproxy '*' --max-time 10 --retry 2 --retry-all-errors --retry-delay 1 --output answer "http://127.0.0.1:$port/"
journal=$(cat <&3)
wait "$server"
server=

answer=$(cat answer)
[ "$answer" = hello ]
requests=$(printf '%s\n' "$journal" | grep -c '"event":"request"')
printf 'curl got "%s" with request %s\n' "$answer" "$requests"
