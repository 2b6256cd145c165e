// Package edge is the transport of the data path: it takes HTTP/1.1 requests off connections with fasthttp, asks a
// Resolver and a Site what the answer is, and writes it.
//
// What decides (routing, planning) lives elsewhere. What is here is what a stranger touches first: deadlines, bounds on
// everything that a client controls, the framing rules of RFC 9112, the access log, and draining.
//
// fasthttp parses heads and writes answers; connections are accepted and wrapped here, because its own Shutdown closes
// keep-alive connections on which a client may just be sending, and because its deadlines cost a timer each.
package edge
