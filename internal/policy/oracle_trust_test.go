package policy

import "strings"

// oraclePrincipal reads the Principal element of a trust policy.
func oraclePrincipal(element any, effect string, r *Request) answer {
	if element == "*" {
		element = map[string]any{"AWS": "*"}
	}
	var answers []answer
	for kind, values := range element.(map[string]any) {
		for _, v := range listOf(values) {
			v := v.(string)
			switch parts := strings.Split(v, ":"); {
			case kind == "Service":
				answers = append(answers, answerOf(v == r.Principal.Service))
			case kind == "Federated":
				name := strings.TrimPrefix(v, "https://")
				if account, url, ok := strings.Cut(strings.TrimPrefix(name, "arn:aws:iam::"), ":oidc-provider/"); ok {
					answers = append(answers, answerOf("https://"+url == r.WebIdentity.Issuer && strings.Split(r.Resource+":::::", ":")[4] == account))
					continue
				}
				answers = append(answers, answerOf("https://"+name == r.WebIdentity.Issuer))
			case v == "*":
				answers = append(answers, answerOf(effect == "Deny" || r.Principal.ARN != ""))
			case len(parts) == 1:
				answers = append(answers, answerOf(v == r.Principal.Account))
			case parts[5] == "root":
				answers = append(answers, answerOf(parts[4] == r.Principal.Account))
			default:
				answers = append(answers, answerOf(v == r.Principal.ARN || v == r.Principal.SessionARN))
			}
		}
	}
	return oneOf(answers)
}
