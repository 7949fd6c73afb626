package sdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// process is an SDK of another language: a program beside this package that
// reads one request a line and answers each with a line. It is started by the
// first request and lives until closed, because loading an SDK takes longer than
// all of its calls.
type process struct {
	argv    []string
	env     []string     // beyond our own
	prepare func() error // run before the first start

	mu      sync.Mutex
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	log     bytes.Buffer
	startUp error
}

// patience is how long a process may take over one line. The slowest thing it is
// asked for is a call that is retried ten times.
const patience = 90 * time.Second

func (p *process) send(ctx context.Context, c call) ([]answer, error) {
	var reply struct{ Answers []answer }
	err := p.ask(ctx, map[string]any{"call": c}, &reply)
	return reply.Answers, err
}

// node is a process whose platform can verify a PS256 signature by itself.
type node struct{ *process }

func (n node) verify(ctx context.Context, pem, token string) (header, claims map[string]any, err error) {
	var reply struct{ Header, Claims map[string]any }
	err = n.ask(ctx, map[string]any{"verify": map[string]string{"pem": pem, "token": token}}, &reply)
	return reply.Header, reply.Claims, err
}

func (p *process) ask(ctx context.Context, request, reply any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil && p.startUp == nil {
		p.startUp = p.start()
	}
	if p.startUp != nil {
		return p.startUp
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer stop()

	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.trouble(err)
	}
	got, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.trouble(err)
	}
	var trouble struct{ Trouble string }
	if err := json.Unmarshal(got, &trouble); err != nil {
		return p.trouble(err)
	}
	if trouble.Trouble != "" {
		return fmt.Errorf("%s: %s", p.argv[0], trouble.Trouble)
	}
	return json.Unmarshal(got, reply)
}

func (p *process) start() error {
	if p.prepare != nil {
		if err := p.prepare(); err != nil {
			return err
		}
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stderr = &p.log
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	return nil
}

// trouble ends the process and tells what it said last.
func (p *process) trouble(err error) error {
	p.cmd.Process.Kill()
	p.cmd.Wait()
	p.startUp = fmt.Errorf("%v: %w\n%s", p.argv, err, p.log.String())
	return p.startUp
}

// Close ends the process: it leaves when there is nothing more to read.
func (p *process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.startUp != nil {
		return nil
	}
	p.in.Close()
	return p.cmd.Wait()
}
