// Package functions runs the code of deployments: it owns one workerd process, keeps it alive, and carries requests to it.
//
// The process runs one Worker of ours, the dispatcher (dispatcher.js). Asked for a deployment for the first time, it fetches that one's
// code from this server and loads it beside itself, so that a deployment costs nothing until somebody asks for it, and none needs a
// restart. The two talk over Unix sockets in a directory that only this user can enter:
//
//	edge --Run--> w1.sock --> dispatcher --> the deployment's code --> env.ASSETS --> b.sock --> edge, for the files
//	                                                                 \-> public addresses of the internet
//
// # What code can do
//
// It sees its request, its variables, its deployment's files (the dispatcher says which deployment asks, the code cannot) and
// public network addresses; no disk, no environment, no address of this machine or of a private network.
//
// # What is bounded, and what is not
//
// Bounded are requests in flight (Options.MaxInFlight), the silence of a function (Options.Timeout), the bytes of its answer's head, and
// the memory of the whole process (Options.Memory). workerd as it is published has no bounds for one function: all of them share one
// thread and one heap's worth of memory. A function that computes for ever holds up all others until the process, which then
// does not answer its health probe, is killed and started anew; one that takes too much memory has it started anew as well. Requests that
// were under way then fail, the next ones wait for the new process. Loaded code is never unloaded but by that. Who lets strangers deploy
// code that they cannot trust needs a stronger wall than this, such as a machine for it.
package functions
