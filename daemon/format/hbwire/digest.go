package hbwire

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
)

// A Method is how a key makes a digest.
type Method uint8

// The methods of authkeys. CRC finds damage only: anybody can make it.
const (
	NoMethod Method = 0
	CRC      Method = 1
	MD5      Method = 2
	SHA1     Method = 3
)

// String is the method's word in authkeys.
func (m Method) String() string {
	switch m {
	case CRC:
		return "crc"
	case MD5:
		return "md5"
	case SHA1:
		return "sha1"
	default:
		return "none"
	}
}

// A Secret is a key's word. It never prints, so that no log can hold it.
type Secret string

// Format prints in place of the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "(hidden)") }

// A Key signs and checks packets. Secret is empty with CRC.
type Key struct {
	Method Method
	Secret Secret
}

// Keys is the file authkeys: what this node signs with, and all that it accepts.
type Keys struct {
	Current int // which of Keys signs, 0 to 15
	Keys    [16]Key
}

// signatureSize is that of the longest signature, in bytes: SHA1 with a key of two digits.
const signatureSize = len("15 ") + 2*sha1.Size

// appendDigest appends the text that proves knowledge of the key: lower-case hexadecimal, a crc without leading zeros.
// Source: Heartbeat wire, section 2.3.
func (k *Key) appendDigest(dst, signed []byte) []byte {
	var h hash.Hash
	switch k.Method {
	case CRC:
		return strconv.AppendUint(dst, uint64(cksum(signed)), 16)
	case MD5:
		h = hmac.New(md5.New, []byte(k.Secret))
	case SHA1:
		h = hmac.New(sha1.New, []byte(k.Secret))
	default:
		panic(fmt.Sprintf("hbwire: a key of method %d has no digest", k.Method))
	}
	h.Write(signed)
	return hex.AppendEncode(dst, h.Sum(nil))
}

// cksumTables have what a byte, and as many more that are zero, do to a CRC whose
// polynomial is POSIX cksum's.
var cksumTables = func() (tables [8][256]uint32) {
	for i := range tables[0] {
		crc := uint32(i) << 24
		for n := range tables {
			for range 8 {
				if crc>>31 == 1 {
					crc = crc<<1 ^ 0x04C11DB7
				} else {
					crc <<= 1
				}
			}
			tables[n][i] = crc
		}
	}
	return tables
}()

// cksum is the CRC of POSIX cksum, but without the length at its end.
func cksum(b []byte) uint32 {
	var crc uint32
	for ; len(b) >= 8; b = b[8:] {
		crc ^= binary.BigEndian.Uint32(b)
		crc = cksumTables[7][crc>>24] ^ cksumTables[6][crc>>16&0xff] ^ cksumTables[5][crc>>8&0xff] ^ cksumTables[4][crc&0xff] ^
			cksumTables[3][b[4]] ^ cksumTables[2][b[5]] ^ cksumTables[1][b[6]] ^ cksumTables[0][b[7]]
	}
	for _, c := range b {
		crc = crc<<8 ^ cksumTables[0][byte(crc>>24)^c]
	}
	return ^crc
}

// keyNumbers are what stands before a digest.
var keyNumbers = [16]string{
	"0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "8 ", "9 ", "10 ", "11 ", "12 ", "13 ", "14 ", "15 ",
}

// appendSignature appends "NUMBER DIGEST" made with the current key.
func (k *Keys) appendSignature(dst, signed []byte) ([]byte, error) {
	if k.Current < 0 || k.Current >= len(k.Keys) || k.Keys[k.Current].Method == NoMethod {
		return dst, fmt.Errorf("sign a packet with key %d: %w", k.Current, ErrUnknownKey)
	}
	return k.Keys[k.Current].appendDigest(append(dst, keyNumbers[k.Current]...), signed), nil
}

// verify checks "NUMBER DIGEST" with the key of that number, current or not: this is how keys are rolled.
func (k *Keys) verify(signature, signed []byte) error {
	number, digest, _ := bytes.Cut(signature, []byte(" "))
	n, err := strconv.ParseUint(string(number), 10, 8)
	if err != nil {
		return fmt.Errorf("%w: found %.60q, want a key number, a blank and a digest", ErrDigest, signature)
	}
	if n >= uint64(len(k.Keys)) || k.Keys[n].Method == NoMethod {
		return fmt.Errorf("%w: found number %d, want one that is in authkeys", ErrUnknownKey, n)
	}
	var own [signatureSize]byte
	if want := k.Keys[n].appendDigest(own[:0], signed); !hmac.Equal(digest, want) {
		return fmt.Errorf("%w: %.40q does not fit key %d (%s); authkeys must be the same on both nodes", ErrDigest,
			digest, n, k.Keys[n].Method)
	}
	return nil
}
