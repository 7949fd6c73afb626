package policy_test

import (
	"fmt"
	"net/netip"

	"github.com/meterd/meterd/internal/policy"
)

func ExampleDecide() {
	seller, err := policy.Parse([]byte(`{
	  "Version": "2012-10-17",
	  "Statement": {
	    "Effect": "Allow",
	    "Action": ["aws-marketplace:ResolveCustomer", "aws-marketplace:BatchMeterUsage"],
	    "Resource": "*",
	    "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
	  }
	}`), policy.ManagedLimit)
	if err != nil {
		fmt.Println(err)
	}

	const ann = "arn:aws:iam::111122223333:user/ann"
	set := policy.Set{Identity: []*policy.Policy{seller}}
	for _, address := range []string{"203.0.113.7", "198.51.100.1"} {
		decision := policy.Decide(&policy.Request{
			Action:    "aws-marketplace:BatchMeterUsage",
			Principal: policy.Principal{ARN: ann, Account: "111122223333"},
			SourceIP:  netip.MustParseAddr(address),
		}, set)
		fmt.Println(address, decision.Allowed)
		if !decision.Allowed {
			fmt.Println(decision.Message(ann, "aws-marketplace:BatchMeterUsage"))
		}
	}

	_, err = policy.Parse([]byte(`{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
	  "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.7/24"}}}]}`), policy.ManagedLimit)
	fmt.Println(err)
	// Output:
	// 203.0.113.7 true
	// 198.51.100.1 false
	// User: arn:aws:iam::111122223333:user/ann is not authorized to perform: aws-marketplace:BatchMeterUsage because no identity-based policy allows the aws-marketplace:BatchMeterUsage action
	// Statement[0].Condition.IpAddress.aws:SourceIp: "203.0.113.7/24" names one address and means a range: write 203.0.113.0/24
}
