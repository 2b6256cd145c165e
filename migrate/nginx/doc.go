// Package nginx reads an nginx configuration as a source of hosts: the names of its servers, and its maps of the host.
// It says of each what it becomes in routes that are found by a hash, or why it becomes nothing, with file and line. It
// never runs nginx, and writes nothing.
//
// # What is read
//
//   - server_name of every http server: exact names, *.example.com, .example.com, www.example.*, ~regex. The value is
//     what the server does: root, proxy_pass and its kin, or return; of the server, else of its location /, else, for
//     root, of the http block.
//   - map blocks whose source is $host, $http_host or $ssl_server_name, with their default, hostnames, include and
//     volatile parameters. The value is the one that the map gives.
//   - include, with patterns, relative to the directory of the main file, as nginx does it with its prefix. A pattern
//     that matches nothing is right; a named file that is missing is a Problem, and the rest is read.
//
// A file may also be one of those that others include: servers and maps at its top are read.
//
// # Precedence
//
// As in nginx: exact names first, then the longest wildcard before a name, the longest behind one, and regular
// expressions in order. Servers are compared for each socket they listen on; the first of two equal names wins. A
// server on one socket that does nothing but redirect to https, beside one with the same name on another, is
// shadowed by it: such redirects are made by whatever terminates TLS. Berth has no routes by port, so two servers that
// do different things for one host on two sockets cannot be converted, but for the first.
//
// Wildcards before a name answer for any number of labels in nginx, as they do in Berth. Regular expressions are
// understood by package convert, which says what they can be. Case never matters: nginx compares hosts in lower case.
//
// # Bounds and errors
//
// Files, bytes, directives, nesting and the length of a parameter are bounded by Options. What nginx itself would not
// start with is an *Error with file and line. What can be passed over is a Problem.
package nginx
