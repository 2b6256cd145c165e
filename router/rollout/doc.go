// Package rollout decides which of two routers answers a request while a server goes over from one to the other: by phase, by
// site, by data centre, by a percentage of the sites.
//
// # Who answers
//
// In ModeRamp the first of these that says something decides:
//
//	the site is opted out     the tables answer
//	the site is pinned        the side that it is pinned to
//	this data centre is named the side that it is given
//	the percentage            hashed, if the keyed hash of the site's name falls below it
//	                          the default
//
// A host whose site is not known is decided by data centre and default alone. The hash makes the percentage sticky and
// monotone: the same sites are picked in every data centre that shares the secret and after every restart, and
// raising the percentage never sends a site back.
//
// In ModeLegacy the tables answer for all, whatever else is set: the records are not complete yet. In ModeCutover hashed answers for
// all but the sites that somebody keeps on the tables by name, so that one site can still be sent back. In ModeHashed
// there is nothing to go back to, and hashed answers for all.
//
// # Falling back
//
// In ModeRamp and ModeCutover a host that hashed does not know is asked of the tables before anybody sees a 404. What a stranger can
// cost with made-up names is bounded: see FallbackOptions.
//
// # The request path
//
// Nothing is read from the store, no lock is taken and nothing is allocated: one atomic load of an immutable plan; the site of
// a host below the base domain is a slice of the host, that of a custom host is in an Index in memory.
package rollout
