// Package recorded reads what real programs printed, so that the fakes of
// tests answer like them.
//
// A recording is a text file of one command in one state:
//
//	#host milo1
//	#state free text
//	#cmd the shell command
//	#exit 5
//	#ms 524
//	#stdout 57        that many bytes follow, and a newline if the last was none
//	...
//	#stderr 0
//	#end
package recorded

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/driver/command"
)

// A Recording is one command, run once.
type Recording struct {
	Host, State, Command string
	Code                 int
	Stdout, Stderr       []byte
}

// Load reads the recording in the file at path.
func Load(path string) (Recording, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Recording{}, fmt.Errorf("recording: %w", err)
	}
	rec, err := parse(text)
	if err != nil {
		return Recording{}, fmt.Errorf("recording %s: %w", path, err)
	}
	return rec, nil
}

// Answer is what a Runner returns for p if the program does what was recorded.
func (r Recording) Answer(p command.Program) (command.Result, error) {
	return command.Exited(p, r.Code, r.Stdout, r.Stderr)
}

func parse(text []byte) (Recording, error) {
	var rec Recording
	for {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return rec, fmt.Errorf("no #end")
		}
		key, value, _ := strings.Cut(string(line), " ")
		var err error
		switch key {
		case "#host":
			rec.Host = value
		case "#state":
			rec.State = value
		case "#cmd":
			rec.Command = value
		case "#ms":
		case "#exit":
			rec.Code, err = strconv.Atoi(value)
		case "#stdout":
			rec.Stdout, rest, err = block(value, rest)
		case "#stderr":
			rec.Stderr, rest, err = block(value, rest)
		case "#end":
			return rec, nil
		default:
			err = fmt.Errorf("no known key")
		}
		if err != nil {
			return rec, fmt.Errorf("line %q: %w", line, err)
		}
		text = rest
	}
}

// block splits off as many bytes of text as size says.
func block(size string, text []byte) (data, rest []byte, err error) {
	n, err := strconv.Atoi(size)
	if err != nil {
		return nil, nil, err
	}
	if n < 0 || n > len(text) {
		return nil, nil, fmt.Errorf("%d bytes are left", len(text))
	}
	data, rest = text[:n], text[n:]
	if n > 0 && data[n-1] != '\n' {
		rest = bytes.TrimPrefix(rest, []byte("\n"))
	}
	return data, rest, nil
}
