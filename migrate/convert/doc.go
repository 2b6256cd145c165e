// Package convert turns the regex tables of the old design into hosts. It is pure: it reads a table from an io.Reader,
// says what each pattern means in routes that are found by a hash, and knows neither a store nor a project.
//
// # Shapes
//
// A table is one JSON object with "filters", an array of objects with "pattern" and "script_hash", and "v", which is 1.
// A Reader yields its filters one by one. A Converter understands one pattern. A Project takes the filters of one
// table in order and knows what earlier ones took. Table does all of it for one table.
//
// # What a pattern means
//
// The old router tested a pattern against host[:port]/path, with the host as clients send it: in lower case, without a
// trailing dot, an IPv6 address in brackets. A pattern can be converted if the syntax tree shows that it answers a list of
// hosts, each with every path and every port. It is never run to find that out.
//
//   - It must be anchored at its beginning, and the host must end in the pattern: by a slash, or a port and a slash.
//   - Whatever follows the slash must match every path.
//   - Alternations, optional parts, bounded repetitions and classes are expanded, up to Options.MaxHosts.
//   - A lone unescaped dot between the characters of labels is read as the dot that it meant, and noted: the old table
//     also answered hosts with any other character there. Such a host is served under the meant reading only if
//     the table names it itself; if it does so after the loose pattern that took it, the two readings
//     differ on a host in use, and that entry cannot be converted.
//   - Case-insensitive patterns are converted: canonical hosts have no other case.
//   - A pattern whose spelling no client sends (upper case, a trailing dot, an internationalised name not in its
//     xn-- form) cannot be converted. It answered nobody; whether it should is for the operator to say.
//   - A pattern for some ports only cannot be converted, because Berth's routes have no port. One without any port
//     is, and noted: Berth also answers the host with a port.
//
// # Wildcards
//
// Berth's *.example.com answers for any number of labels below example.com, one at least, nearest parent first, where no
// exact host is known. The forms that are exactly this begin with a run of any characters and a dot: .*\. .+\.
// [^/]+\. [^/:]*\. [a-z0-9_.-]+\. and (?:[^.]+\.)+ with a class as wide as [^.]. These are narrower, are converted all
// the same, and are noted with a host that Berth answers in addition: one label only ([^.]+\. [^./]*\.), and labels
// without '-' or '_' ([a-z0-9-]+\. \w+\.). A run that lacks letters or digits, that has a longer minimum than one character,
// or that stands anywhere but at the beginning cannot be converted. A run that may match a slash matches in paths too,
// which is noted and otherwise ignored.
//
// # Shadows
//
// The first pattern of a table that matches wins. A host that an earlier entry answers is dropped from the later one, and an
// entry of which nothing is left is Shadowed. A host that an earlier entry which cannot be converted might answer
// is decided by running that entry's compiled program over the host, then asking whether any path at all could
// still match. If so, the later entry cannot be converted either, unless both name the same script_hash.
//
// # Bounds and errors
//
// Everything that a table's author controls is bounded by an option, and errors name it: bytes of a table, filters,
// bytes of a string, hosts of a pattern, steps spent on a pattern, hosts and work of a table. A pattern beyond its
// bounds is an entry that cannot be converted, never an error; a table beyond its bounds, or that is not strictly a
// table, is a *TableError with byte offset and entry.
package convert
