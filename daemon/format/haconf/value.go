package haconf

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// maxTime, some 68 years, leaves room to add and double times.
	maxTime  = 1 << 31 * time.Second
	wantTime = "a time: a number, for seconds, or one with ms or us behind it, as 2, 0.5 or 500ms"
	wantBool = "on or off (or true, yes, y, 1, false, no, n, 0)"
)

// parseTime reads Heartbeat's times: a decimal number with an optional fraction, in seconds, or with the unit ms or us
// in any case. Source: Heartbeat wire, section 11.
func parseTime(text string) (time.Duration, bool) {
	number := strings.TrimRight(text, "msuMSU")
	unit := time.Second
	switch strings.ToLower(text[len(number):]) {
	case "":
	case "ms":
		unit = time.Millisecond
	case "us":
		unit = time.Microsecond
	default:
		return 0, false
	}
	whole, fraction, _ := strings.Cut(number, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	units, err := strconv.ParseInt("0"+whole, 10, 64)
	if err != nil || units > int64(maxTime/unit) {
		return 0, false
	}
	d := time.Duration(units) * unit
	for _, digit := range fraction {
		unit /= 10
		d += time.Duration(digit-'0') * unit
	}
	return d, true
}

// formatTime writes a time that was computed the way ha.cf would have it.
func formatTime(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "y", "1":
		return true, true
	case "false", "off", "no", "n", "0":
		return false, true
	default:
		return false, false
	}
}

// parseInt reads a decimal number within limits.
func parseInt(text string, least, most int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= most && text[0] != '+'
}

// isIPv4 says whether text is four numbers from 0 to 255.
func isIPv4(text string) bool {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		// Some readers take a leading zero for octal.
		if n, ok := parseInt(part, 0, 255); !ok || strconv.Itoa(n) != part {
			return false
		}
	}
	return len(parts) == 4
}

// looksLikeIPv4 says whether text was meant to be an address: nobody's host name is digits and dots.
func looksLikeIPv4(text string) bool {
	return strings.Contains(text, ".") && strings.Trim(text, "0123456789.") == ""
}

// isIPv6 says whether text may be an IPv6 address, with or without a zone. The system judges it when it is used.
func isIPv6(text string) bool {
	address, _, _ := strings.Cut(text, "%")
	return strings.Count(address, ":") >= 2 && strings.Trim(address, "0123456789abcdefABCDEF:.") == ""
}

// isName says whether text is a host or node name.
func isName(text string) bool {
	const most = 99
	for _, c := range text {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._", c) {
			return false
		}
	}
	return text != "" && len(text) <= most && text[0] != '-' && text[0] != '.'
}
