package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
)

// secrets is where secrets are written as environment variables, which Botpress shows once: standard output, or a new file that
// only its owner can read.
type secrets struct {
	out     io.Writer
	path    string   // of the file, if there is to be one
	file    *os.File // nil until it is open
	written bool
}

func envFileFlag(c *command) *string {
	return c.Flags.String("env-file", "", "write the secrets to this new `file`, which only its owner can read, instead of standard output")
}

func (a App) openSecrets(path string) (*secrets, error) {
	if path == "" {
		if a.Stdout == os.Stdout {
			signal.Ignore(syscall.SIGPIPE) // Into a pipe that nobody reads, a write fails, and does not end the process without a word.
		}
		return &secrets{out: a.Stdout}, nil
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return nil, fmt.Errorf("%s is there already, and empty; remove it, unless another command is about to write to it", path)
	case err == nil:
		return nil, fmt.Errorf("%s is there already, and may hold secrets that Botpress does not show again; choose another --env-file", path)
	}
	return &secrets{path: path}, nil
}

// open makes the file. It comes after the questions, and before the first secret is made.
func (s *secrets) open() (err error) {
	if s.out != nil {
		return nil
	}
	if s.file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return fmt.Errorf("--env-file: %w", err)
	}
	s.out = s.file
	return nil
}

// advice says what to do with what is written.
func (s *secrets) advice() string {
	if s.path == "" {
		return "Set this in the environment of the adapter. Botpress does not show it again:\n"
	}
	return "What to set in the environment of the adapter is in " + s.path + ". Botpress does not show it again."
}

// set writes a variable. Its value comes from the API, and a shell may read the file.
func (s *secrets) set(name, value string) error {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.=+/", r)
	}) {
		return fmt.Errorf("%s is not written: the API has sent a value that no secret of Botpress has; check BP_API_URL", name)
	}
	s.written = true
	_, err := fmt.Fprintf(s.out, "%s=%s\n", name, value)
	return err
}

// close closes the file. If nothing is in it, it goes.
func (s *secrets) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if err != nil && s.written {
		return fmt.Errorf("the secrets may not be in %s; look, and make new ones if they are not: %w", s.file.Name(), err)
	}
	if !s.written {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}
