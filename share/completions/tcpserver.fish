complete -c tcpserver -l listen -d 'Where to listen, as host:port, or as unix:PATH on a Unix socket' -r -f
complete -c tcpserver -l tls-name -d 'Serve over TLS as with --tls, with a certificate that is for this host name or IP address, too' -r -f
complete -c tcpserver -l tls-ca -d 'Serve over TLS as with --tls, and write the certificate of the authority that clients have to trust to this file, as PEM' -r -F
complete -c tcpserver -l tls-cert -d 'Serve over TLS with a certificate of your own' -r -F
complete -c tcpserver -l tls-key -d 'A PEM file with the private key of --tls-cert' -r -F
complete -c tcpserver -l send -d 'The response, whose bytes are sent as they are' -r -F
complete -c tcpserver -l recv -d 'Where the request\'s bytes go' -r -F
complete -c tcpserver -l record -d 'Forward each request, unchanged, to this server' -r -f
complete -c tcpserver -l script -d 'Play this conversation with each client, instead of sending a file' -r -F
complete -c tcpserver -l check -d 'List every problem of a response file, at which byte it is, and how to mend what editors cause, instead of serving' -r -F
complete -c tcpserver -l status -d 'Answer with this status' -r -f
complete -c tcpserver -l header -d 'Add this field to the response' -r -f
complete -c tcpserver -l body -d 'The body of the response, as it is given, with its Content-Length' -r -f
complete -c tcpserver -l dir -d 'Answer with the files of this folder, by the path of the request, and with nothing outside of it' -r -f -a "(__fish_complete_directories)"
complete -c tcpserver -l exec -d 'Run this program for each request, which it gets on stdin, and answer with its stdout, byte for byte' -r -f -a "(__fish_complete_command)"
complete -c tcpserver -l count -d 'Serve N exchanges, connections side by side, then end' -r -f
complete -c tcpserver -l cut -d 'Send only the first N bytes of the response, then end the connection in this way' -r -f
complete -c tcpserver -l delay -d 'Wait before the first byte of the response' -r -f
complete -c tcpserver -l pieces -d 'Send the response in pieces of this size, with this pause between two' -r -f
complete -c tcpserver -l throttle -d 'Send no more bytes per second than this' -r -f
complete -c tcpserver -l linger -d 'After the response, wait so long for the client to close' -r -f
complete -c tcpserver -l timeout -d 'How long a client may send nothing of a request that has begun, or take nothing of its response, before the exchange fails' -r -f
complete -c tcpserver -l journal -d 'Write what happens as JSON, one object a line' -r -F
complete -c tcpserver -l ready-file -d 'Write the address, as JSON, to this file when the program listens, and remove it at the end' -r -F
complete -c tcpserver -l pid-file -d 'The same with the number of the process' -r -F
complete -c tcpserver -l lang -d 'The language of the lines on stdout, and of notes on response files' -r -f -a "ja\t''
en\t''"
complete -c tcpserver -l completions -d 'Print the completions for a shell' -r -f -a "bash\t''
zsh\t''
fish\t''"
complete -c tcpserver -l framing -d 'Where a request ends' -r -f -a "auto\t''
http\t''
head\t''
read-once\t''
lines\t''
tls-record\t''
client-hello\t''
eof\t''
nothing\t''"
complete -c tcpserver -l tls -d 'Serve over TLS (https), with a certificate for localhost that is made for this run'
complete -c tcpserver -l echo -d 'Answer with the bytes of the request, as text'
complete -c tcpserver -l forever -d 'Serve exchanges until Ctrl-C'
complete -c tcpserver -l keep-alive -d 'Keep a connection open for its next request where HTTP does'
complete -c tcpserver -l keep-open -d 'Keep a connection open for its next request, whatever request and response say'
complete -c tcpserver -l hold -d 'Keep the connection open after the response, until the client closes'
complete -c tcpserver -l reset -d 'Reset the connection after the response, when the client has it'
complete -c tcpserver -l insecure -d 'Accept every certificate of the server of --record https://HOST'
complete -c tcpserver -l sigterm-ok -d 'End with exit code 0 after SIGTERM, unless something failed or an exchange was cut'
complete -c tcpserver -l transcript -d 'Show both directions on stderr, as they happen'
complete -c tcpserver -l hex -d 'The transcript in hexadecimal, with offsets'
complete -c tcpserver -s q -l quiet -d 'No lines on stdout, and no notes and no progress on stderr'
complete -c tcpserver -l man -d 'Print the man page'
complete -c tcpserver -s h -l help -d 'Print this help'
complete -c tcpserver -s V -l version -d 'Print the version'
