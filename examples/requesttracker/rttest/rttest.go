// Package rttest runs Request Tracker 5, the real one, for tests: in a folder of its own, on a loopback port, with a
// database of its own in SQLite. It starts in seconds and leaves nothing behind. The Debian packages request-tracker5,
// rt5-db-sqlite and rt5-standalone must be installed; [Missing] tells how.
package rttest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// What the desk has from the start: the queue and the agents, each with the password "<name>-secret".
const (
	Queue = "Support"
	Alice = "alice" // Alice Agent
	Bob   = "bob"   // Bob Agent
)

// Install is the command that installs RT on Debian 12, without starting any daemon.
const Install = "apt-get install -y --no-install-recommends request-tracker5 rt5-db-sqlite rt5-standalone dbconfig-no-thanks msmtp-mta"

const (
	setup  = "/usr/sbin/rt-setup-database-5"
	server = "/usr/share/request-tracker5/libexec/rt-server"
)

//go:embed desk.initialdata
var desk []byte

// Missing is an error that says how to install RT, or nil if it is there.
func Missing() error {
	for _, file := range []string{setup, server, "/usr/share/doc/rt5-db-sqlite"} {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("rttest: Request Tracker 5 is not installed; as root: %s: %w", Install, err)
		}
	}
	return nil
}

// Server is a running RT. It sends no mail.
type Server struct {
	// URL is RT's address, without a slash at its end.
	URL string

	dir string
	cmd *exec.Cmd
}

// Start makes a new RT in the folder dir, which must exist and be empty, and starts it. The settings are Perl for
// RT_SiteConfig.pm. Stop must be called; the folder is left to the caller.
func Start(ctx context.Context, dir, settings string) (*Server, error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	// RT inherits the listener: nobody can take the port in between, and requests wait until RT is up.
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	s := &Server{URL: "http://" + l.Addr().String(), dir: dir}
	if err := s.configure(l.Addr().(*net.TCPAddr).Port, settings); err != nil {
		return nil, err
	}
	if _, err := s.run(ctx, nil, setup, "--action", "init", "--skip-create", "--root-password-file", s.path("password")); err != nil {
		return nil, err
	}
	if _, err := s.Insert(ctx, desk); err != nil {
		return nil, err
	}
	if err := s.start(ctx, l); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) configure(port int, settings string) error {
	config := fmt.Sprintf(`Set($rtname, 'desk.test');
Set($Organization, 'desk.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, %d);
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '%s');
Set($MailCommand, 'testfile');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($Timezone, 'UTC');
Set($BcryptCost, 4); # a password is checked with each request
$RT::VarPath = '%s'; $RT::MasonDataDir = '%s'; $RT::MasonSessionDir = '%s';
%s
1;
`, port, s.path("rt.db"), s.dir, s.path("mason"), s.path("session"), settings)

	for _, folder := range []string{"mason", "session", "settings"} {
		if err := os.Mkdir(s.path(folder), 0o700); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(s.path("RT_SiteConfig.pm"), []byte(config), 0o600),
		os.WriteFile(s.path("password"), []byte("root-secret\n"), 0o600),
	)
}

// Insert runs RT's own tool on a file of initial data, with more variables in its environment ("NAME=value"), and
// returns what it printed. What RT only logs as an error is an error here.
func (s *Server) Insert(ctx context.Context, data []byte, env ...string) (string, error) {
	file := s.path("initialdata")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return "", err
	}
	out, err := s.run(ctx, env, setup, "--action", "insert", "--skip-create", "--datafile", file)
	if err == nil && strings.Contains(out, "[error]") {
		err = fmt.Errorf("rttest: RT did not take the data:\n%s", out)
	}
	return out, err
}

func (s *Server) run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	out, err := s.command(ctx, env, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rttest: %s: %w\n%s", filepath.Base(name), err, out)
	}
	return string(out), nil
}

// command makes one of RT's programs work on this RT.
func (s *Server) command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // all programs are RT's
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "RT_SITE_CONFIG="+s.path("RT_SiteConfig.pm"), "RT_SITE_CONFIG_DIR="+s.path("settings"))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// start returns when RT answers.
func (s *Server) start(ctx context.Context, l *net.TCPListener) error {
	socket, err := l.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	log, err := os.Create(s.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()

	// RT waits for the webhook, and who gets the webhook asks RT: one worker would not do.
	s.cmd = s.command(context.WithoutCancel(ctx), []string{"SERVER_STARTER_PORT=" + l.Addr().String() + "=3"},
		server, "--max-workers", "4")
	s.cmd.ExtraFiles = []*os.File{socket} // the child's file 3
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Stop reaches the workers, too
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("rttest: start RT: %w", err)
	}
	if err := errors.Join(socket.Close(), l.Close()); err != nil { // if RT dies, the request below must fail
		return errors.Join(err, s.Stop())
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.ask(ctx); err != nil {
		return errors.Join(fmt.Errorf("rttest: RT did not come up: %w\n%s", err, s.Log()), s.Stop())
	}
	return nil
}

// ask sends RT any request. That it is refused is answer enough.
func (s *Server) ask(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/REST/2.0/rt", nil)
	if err != nil {
		return err
	}
	res, err := new(http.Client).Do(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Stop ends RT and waits for it.
func (s *Server) Stop() error {
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("rttest: stop RT: %w", err)
	}
	if err := s.cmd.Wait(); err != nil && s.cmd.ProcessState == nil { // how it ended does not matter
		return fmt.Errorf("rttest: stop RT: %w", err)
	}
	return nil
}

// Log is what RT has complained about so far.
func (s *Server) Log() string {
	log, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }
