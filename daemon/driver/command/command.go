// Package command is the only place that starts programs. A driver describes
// the program it wants as a Program and gives it to a Runner: Exec on a real
// machine, a func in tests.
//
// A program that was started ends in one of three ways: it exits, it is killed
// with all its process group because its time is up, or it can't be killed
// (it hangs in the kernel) and is left behind. The caller goes on in each case.
package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// DefaultLimit is how long a Program may run that names no Limit.
const DefaultLimit = time.Minute

// ErrKilled is in the error of a program that was killed because its time was
// up, or its caller gave up.
var ErrKilled = errors.New("killed before its end")

// ErrStuck is in the error of a program that did not even end when it was
// killed. It may still be at work.
var ErrStuck = errors.New("hangs, and could not be killed")

// ErrNotFound is in the error of a program that is not on this machine.
var ErrNotFound = exec.ErrNotFound

// A Program is one program to run, once.
type Program struct {
	// Name is a path, or a word that is looked for in PATH.
	Name string
	Args []string
	// Env are NAME=VALUE pairs that are added to the daemon's own environment;
	// LC_ALL=C is always there, because drivers read what programs print.
	Env []string
	// Stdin is what it can read, at most 32 KiB; nothing else is on its stdin.
	Stdin []byte
	// Limit is how long it may run; 0 is DefaultLimit.
	Limit time.Duration
	// Keep is how many bytes at the end of each output are kept; 0 is 64 KiB.
	Keep int
}

// String is the command line, for logs and errors; words that a shell would
// split or change are quoted.
func (p Program) String() string {
	words := make([]string, 0, 1+len(p.Args))
	for _, word := range append([]string{p.Name}, p.Args...) {
		if word == "" || strings.ContainsAny(word, " \t\n\"'\\$`|&;<>()*?[]{}") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// Result is what a program left.
type Result struct {
	// Stdout and Stderr are the ends of each; see Program.Keep.
	Stdout, Stderr []byte
	// Code is the exit status; -1 if the program was not started, was killed,
	// or hangs.
	Code int
	// Took is how long it ran.
	Took time.Duration
}

// A Runner runs a program and waits for its end. Every exit status but 0 is an
// *ExitError; then, and after ErrKilled and ErrStuck, Result holds what was
// printed up to that point.
type Runner func(ctx context.Context, p Program) (Result, error)

// Logged is run with a hook that sees each program after its end.
func Logged(run Runner, log func(p Program, r Result, err error)) Runner {
	return func(ctx context.Context, p Program) (Result, error) {
		r, err := run(ctx, p)
		log(p, r, err)
		return r, err
	}
}

// An ExitError says that a program ended with an exit status other than 0, or
// by a signal.
type ExitError struct {
	Program Program
	// Code is the exit status, -1 after a signal.
	Code int
	// Status is "exit status 5" or "signal: killed".
	Status string
	// Cause is what the program itself said about it, in one line.
	Cause string
}

// Error is the command line, the status and the cause.
func (e *ExitError) Error() string {
	if e.Cause == "" {
		return fmt.Sprintf("%s: %s", e.Program, e.Status)
	}
	return fmt.Sprintf("%s: %s: %s", e.Program, e.Status, e.Cause)
}

// Exited makes the Result and the error of a program that exited with code,
// the way Exec does; fakes use it too.
func Exited(p Program, code int, stdout, stderr []byte) (Result, error) {
	r := Result{Stdout: stdout, Stderr: stderr, Code: code}
	if code == 0 {
		return r, nil
	}
	return r, &ExitError{Program: p, Code: code, Status: fmt.Sprintf("exit status %d", code), Cause: cause(r)}
}

// causeSize bounds the part of an error that a program wrote.
const causeSize = 400

// cause is what the program said last: the end of stderr, or of stdout if
// stderr is empty, in one line.
func cause(r Result) string {
	said := r.Stderr
	if len(strings.TrimSpace(string(said))) == 0 {
		said = r.Stdout
	}
	var lines []string
	size := 0
	for line := range strings.Lines(string(said)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
			size += len(line)
		}
	}
	for len(lines) > 1 && size > causeSize {
		size -= len(lines[0])
		lines = lines[1:]
	}
	text := strings.Join(lines, "; ")
	if len(text) > 2*causeSize {
		text = text[:2*causeSize] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}
