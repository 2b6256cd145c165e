package main

import (
	"github.com/spf13/pflag"

	"berth/cmd/berth/server"
)

// addFunctionFlags turns functions on, and is a flag for each bound on them.
func addFunctionFlags(f *pflag.FlagSet, s *server.Settings) {
	o := &s.Functions
	f.StringVar(&o.Command, "functions", "", "`file` of workerd, which runs the functions of deployments; default none: their files alone are served")
	f.DurationVar(&o.Timeout, "function-timeout", o.Timeout, "time that a function may be silent, and that it is waited for when workerd starts")
	f.IntVar(&o.MaxInFlight, "max-functions", o.MaxInFlight, "requests that functions work on at once; more are answered 503")
	f.Var(byteSize[int]{&s.Edge.MaxFunctionBody}, "max-function-body", "request body that goes to a function")
	f.Var(byteSize[int]{&s.Edge.FunctionBodyRate}, "function-body-rate", "of it that has to come in each second, beyond --read-timeout")
	f.IntVar(&s.Edge.MaxFunctionsPerIP, "max-functions-per-ip", s.Edge.MaxFunctionsPerIP, "of those requests, one client address's; negative for no bound")
	f.Var(byteSize[int64]{&o.Memory}, "functions-memory", "memory that workerd may take; beyond it, it is started anew")
}
