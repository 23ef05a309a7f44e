// Package agent carries orders into a test machine and answers out, over a
// virtio-serial port. Server runs in the machine, Client in the test. A program
// that is run answers with its output as it comes and its exit status; several
// run at once.
//
//	test                                machine
//	Client --- Order ------------------> Server
//	       <-- Answers, any number, the last with Done ---
//
// A message is 4 bytes that are in no text, its length in 4 bytes, big endian,
// and JSON. So who begins to listen in the middle of one, to a machine that
// goes on from a snapshot, finds the next. Nothing is read off a console.
package agent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// PortName is the name of the virtio-serial port in the machine.
const PortName = "pollux.agent"

// maxMessage bounds a message's length in bytes, so that bytes that are no
// length are noticed.
const maxMessage = 1 << 20

// chunk is how much of a file or of output one message carries, in bytes.
const chunk = 48 << 10

// An Op is a kind of order.
type Op string

// What a machine can be told.
const (
	OpRun      Op = "run"      // a program: Argv, Env, Input
	OpSignal   Op = "signal"   // to the process group of the program of order Target
	OpPut      Op = "put"      // Data into the file Path, at its end unless First
	OpGet      Op = "get"      // the file Path
	OpPowerOff Op = "poweroff" // in an orderly way: file systems are synced
)

// Order is one message to a machine.
type Order struct {
	ID     uint64   `json:"id"` // answers bear it; not 0
	Op     Op       `json:"op"`
	Argv   []string `json:"argv,omitempty"`
	Env    []string `json:"env,omitempty"` // name=value, beside the machine's own
	Input  []byte   `json:"input,omitempty"`
	Target uint64   `json:"target,omitempty"`
	Signal int      `json:"signal,omitempty"`
	Path   string   `json:"path,omitempty"`
	Mode   uint32   `json:"mode,omitempty"`
	Data   []byte   `json:"data,omitempty"`
	First  bool     `json:"first,omitempty"`
	Last   bool     `json:"last,omitempty"`
}

// Answer is one message from a machine. Number 0 is no answer: the machine is
// ready for orders, or says in Error why it never will be.
type Answer struct {
	ID     uint64 `json:"id"`
	Stdout []byte `json:"stdout,omitempty"` // or a piece of a file
	Stderr []byte `json:"stderr,omitempty"`
	Done   bool   `json:"done,omitempty"`
	// Status is a program's exit status, 128 and more by a signal, as in a shell.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"` // the order could not be carried out
}

// mark begins a message. UTF-8 has no such sequence.
const mark = "\xf0plx"

// send writes one message.
func send(w io.Writer, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("agent: message: %w", err)
	}
	packet := binary.BigEndian.AppendUint32([]byte(mark), uint32(len(text)))
	_, err = w.Write(append(packet, text...))
	return err
}

// receive reads the next message that begins.
func receive(r io.Reader, message any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	for string(head[:]) != mark {
		copy(head[:], head[1:])
		if _, err := io.ReadFull(r, head[3:]); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return fmt.Errorf("agent: message of %d bytes, want at most %d", n, maxMessage)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("agent: message cut short: %w", err)
	}
	return json.Unmarshal(text, message)
}
