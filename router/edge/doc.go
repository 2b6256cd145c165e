// Package edge is the transport of the data path: it takes HTTP/1.1 requests off connections with fasthttp, asks a
// Resolver and a Site what the answer is, and writes it.
//
// What decides (routing, planning) lives elsewhere. What is here is what a stranger touches first: deadlines, bounds on
// everything that a client controls, the framing rules of RFC 9112, the access log, and draining.
//
// fasthttp parses heads and writes answers; connections are accepted and wrapped here, because its own Shutdown closes
// keep-alive connections on which a client may just be sending, and because its deadlines cost a timer each.
//
// # The short way
//
// Nearly all requests are plain GETs of files that were asked for before. Connections therefore wait outside fasthttp (lane.go), so that
// idle ones hold no buffer, and what comes is looked at there first (express.go): a GET that is well-formed to the letter, without
// a field that calls for anything else, is routed, its deployment found, and the answer to its key looked up among those that are
// prepared (answers.go). That is the head that fasthttp wrote for the same key before, with the date of now, and the body, from
// memory or by sendfile from a file that is kept open (openfiles.go, send.go). Nothing is parsed, planned, rendered or allocated.
//
// Every other request is fasthttp's, byte by byte as it came, and so is the first for each key, whose answer is then prepared if
// the plan says that it holds for all. A key has all in it that such an answer depends on, so nothing has to be dropped when a site
// moves: its next deployment has other keys. Routing is asked on both ways, once for each request. Options.PlainOnly turns the short
// way off; tests hold both against each other, byte for byte.
//
// # Functions
//
// A deployment may bring code, and say by _routes.json which paths are for it. Once the deployment that answers is known, such a request goes
// to the code (package functions), whatever its method, body and answer streamed; it is not prepared, planned or changed by rules. The code
// in turn may ask for files of its deployment, and gets what the request would have got without code (ServeAsset). A request for other
// paths, or to another site, pays one comparison.
//
// # Hosts that move
//
// Production, aliases and custom domains go from deployment to deployment while pages of the earlier ones are open. A file
// that the new deployment lacks is answered from the index of those that the host had before, if the site does not turn that
// off; nothing of it is looked at while there is a file.
//
// # Skew protection
//
// A site may want more: that whatever a page loads comes from the deployment that the page came from. Then a navigation is
// answered by what the host serves, and pins the browser to it with the cookie berth_pin. Requests for the parts of a page
// (scripts, styles, what it fetches, frames, pages that it renders ahead) are answered by the pinned deployment, with that
// deployment's rules. A request can choose for itself, too, by "X-Deployment-Id: ID" or "?dpl=ID", where ID is a
// deployment's or the eight digits that its host begins with: the field before the query, and both before the cookie.
//
// There is one pin in a browser for a host, because a request for a script does not say which tab it is for: the last
// navigation wins. A tab that was left open on deployment 1 asks deployment 2 for its parts once another tab on the same
// host has gone to a page of 2. Files that 2 lacks are then found among those that the host had before; one that both
// have under one name comes from 2. Names with a hash of the content in them leave nothing to go wrong.
//
// Nothing shows a visitor what was not released: only the deployment that the host serves can be chosen, and those that it
// has left no longer ago than Options.SkewMaxAge. The cookie is for one host, and signed over it, the deployment and the time
// at which it ends. Whatever else is asked for (forged, expired, deleted, withdrawn, nonsense) counts as not asked for, so
// that no request fails for it; but what is answered to who named a deployment that cannot be chosen is not to be kept, as that
// one may be released next. A browser that sends no Sec-Fetch-Dest is neither pinned nor answered by a pin: its requests
// cannot be told apart.
//
// Caches are told what a choice looked at, by Vary; what a cookie chose or brings a cookie is for the browser alone.
package edge
