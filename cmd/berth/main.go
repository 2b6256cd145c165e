// Command berth serves static sites by their hostnames and publishes to such a server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(realMain()) }

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; a second one, with nobody listening for it any more, kills.
	context.AfterFunc(ctx, stop)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "berth: %s\n", describe(err))
	}
	return exitStatus(err)
}

// run is the program. Everything that it needs of the process but the environment comes as an argument.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: os.LookupEnv}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	correctCobras(root)
	return root.ExecuteContext(ctx)
}

// usageError is a mistake on the command line, in the environment or in the configuration file.
type usageError struct {
	err     error
	command string // whose help says how it is done
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func exitStatus(err error) int {
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// describe is the error as it is printed: nothing of it may drive the terminal, since parts come from servers and files.
func describe(err error) string {
	text := printable(err.Error())
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	if u, ok := errors.AsType[*usageError](err); ok {
		text += fmt.Sprintf("\nRun '%s --help' for usage.", u.command)
	}
	return text
}
