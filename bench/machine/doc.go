// Package machine is what a measurement asks of the kernel: processes bound to a core, what they were charged and what memory
// they hold, and whether anybody else had the core meanwhile. Linux only.
package machine
