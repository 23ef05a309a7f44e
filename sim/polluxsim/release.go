//go:build !planted

package main

import "errors"

func mutants([]string) error {
	return errors.New("this build has no planted bugs: go run -tags planted ./sim/polluxsim mutants")
}
