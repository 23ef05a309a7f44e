package dissect

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// isHeartbeat tells a datagram of Heartbeat from any other.
func isHeartbeat(data []byte) bool {
	return bytes.HasPrefix(data, []byte("###\n")) || bytes.HasPrefix(data, []byte(">>>\n"))
}

// Heartbeat is the message of a datagram in one line: the names and values of
// its fields. Whether its signature is right only who has the key can tell.
func Heartbeat(data []byte) (string, error) {
	p, err := hbwire.Decode(data)
	if err != nil {
		return "", err
	}
	var words []string
	for _, f := range p.Message {
		if f.Name == "auth" {
			continue
		}
		value := strconv.Quote(string(f.Value))
		if f.Type != 0 {
			value = fmt.Sprintf("(%d bytes)", len(f.Value))
		} else if len(value) == len(f.Value)+2 && !strings.ContainsAny(value, " =") {
			value = string(f.Value)
		}
		words = append(words, f.Name+"="+value)
	}
	return strings.Join(words, " "), nil
}
