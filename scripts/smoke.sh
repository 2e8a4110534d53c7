#!/usr/bin/env bash
# The eight calls of a first day against a running portal, as `flask --app wsgi smoke` makes them. Needs bash, curl, jq.
#
#   PORTAL_SMOKE_PASSWORD=… scripts/smoke.sh --url https://portal.example.com --email me@company.com \
#       --phone +5511988880001 [--unit centro] [--code 123456]
#
# Pauses until the unit's phone is linked, ends with status 0 only when the message was delivered. Further settings are
# taken from the environment: SMOKE_SCAN_LIMIT_S (300), SMOKE_DELIVERY_LIMIT_S (120), and for a portal beside a
# simulated Evolution API SMOKE_SCAN_WITH=simulator with SIMULATOR_URL. docs/golive/smoke.md says what failures mean.
set -euo pipefail

TOTAL=8 PASSED=0 NAME=""
URL="" EMAIL="" UNIT="" PHONE="" CODE="" TOKEN=""
# What the last call was answered: status, JSON, milliseconds, and what its headers say about waiting.
STATUS="-" BODY="{}" TOOK_MS=0 RETRY_AFTER_S=1

usage() {
    printf '%s\n' "$1" "Usage: PORTAL_SMOKE_PASSWORD=… $0 --url URL --email EMAIL --phone PHONE [--unit UNIT] [--code CODE]" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage "$1 needs a value."
    case $1 in
        --url) URL=${2%/} ;;
        --email) EMAIL=$2 ;;
        --unit) UNIT=$2 ;;
        --phone) PHONE=$2 ;;
        --code) CODE=$2 ;;
        *) usage "There is no option $1." ;;
    esac
    shift 2
done

SCAN_WITH=${SMOKE_SCAN_WITH:-phone} SIMULATOR=${SIMULATOR_URL:-}
SCAN_LIMIT_S=${SMOKE_SCAN_LIMIT_S:-300} DELIVERY_LIMIT_S=${SMOKE_DELIVERY_LIMIT_S:-120}
SECURE='^https://[^/@?#[:space:]]+(/[^@?#[:space:]]*)?$'
OF_THIS_MACHINE='^https?://(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]+)?(/[^@?#[:space:]]*)?$'
WHOLE_SECONDS='^[0-9]{1,6}$'

is_usable() { [[ $1 =~ $SECURE || $1 =~ $OF_THIS_MACHINE ]]; }

is_of_simulator() {
    local instances
    instances=$(curl --disable --silent --fail --connect-timeout 5 --max-time 30 --proto '=http,https' \
        --url "$1/simulator/instances") && jq -e 'type == "array"' <<<"$instances" >/dev/null 2>&1
}

is_usable "$URL" || usage "--url must begin with https://, or the password could be read on the way."
[ -n "$EMAIL" ] || usage "--email is missing."
[ -n "${PORTAL_SMOKE_PASSWORD:-}" ] || usage "Give the password in PORTAL_SMOKE_PASSWORD, and not on the command line."
[[ $SCAN_LIMIT_S =~ $WHOLE_SECONDS ]] || usage "SMOKE_SCAN_LIMIT_S must be whole seconds."
[[ $DELIVERY_LIMIT_S =~ $WHOLE_SECONDS ]] || usage "SMOKE_DELIVERY_LIMIT_S must be whole seconds."
case $SCAN_WITH in
    phone) ;;
    simulator)
        is_usable "${SIMULATOR%/}" || usage "SIMULATOR_URL must be the address of the simulated Evolution API."
        # Somebody of the simulator. Elsewhere the unit may be a real one, and the number anybody's.
        [[ ! $URL =~ $OF_THIS_MACHINE ]] || PHONE=${PHONE:-+5511988880001}
        ;;
    *) usage "SMOKE_SCAN_WITH must be phone or simulator." ;;
esac
[ -n "$PHONE" ] || usage "Say with --phone who gets the message, say your own number."
if [ "$SCAN_WITH" = simulator ] && ! is_of_simulator "${SIMULATOR%/}"; then
    printf '%s\n' "SIMULATOR_URL: no simulator answers. Start the simulator, or correct SIMULATOR_URL." >&2
    exit 1
fi
# For jq, so that none of it stands on a command line that others on this machine see.
export EMAIL UNIT PHONE CODE PORTAL_SMOKE_PASSWORD

masked() { printf '****%s' "${1: -4}"; }

# Of a number, however it is typed: with or without country code and ninth digit these are the same.
last_eight() {
    local digits=00000000${1//[^0-9]/}
    printf '%s' "${digits: -8}"
}

field() { jq -r "$1 // empty | tostring" <<<"$BODY"; }

passed() {
    PASSED=$((PASSED + 1))
    printf '%s/%s %-14s ok     %3s %6s ms  %s\n' "$PASSED" "$TOTAL" "$NAME" "$STATUS" "$TOOK_MS" "$1"
}

failed() { # what, what to do
    printf '%s/%s %-14s FAILED %3s %6s ms  %s What to do: %s\n' \
        "$((PASSED + 1))" "$TOTAL" "$NAME" "$STATUS" "$TOOK_MS" "$1" "$2"
    printf '%s/%s calls passed\n' "$PASSED" "$TOTAL"
    exit 1
}

# One request; the headers and the body go in by standard input, for they hold the token and the password.
request() { # method, address, body, header
    local config response head rest code=0
    config="header = \"Accept: application/json\""$'\n'"header = \"Accept-Language: en\""$'\n'
    [ -z "$TOKEN" ] || config+="header = \"Authorization: Bearer $TOKEN\""$'\n'
    [ -z "${4:-}" ] || config+="header = \"$4\""$'\n'
    if [ -n "${3:-}" ]; then
        config+="header = \"Content-Type: application/json\""$'\n'"data = $(printf '%s' "$3" | jq -Rs .)"$'\n'
    fi
    STATUS="-" BODY="{}"
    response=$(printf '%s' "$config" | curl --disable --config - --silent --include --suppress-connect-headers \
        --connect-timeout 5 --max-time 30 --proto '=http,https' --write-out '\n%{http_code} %{time_total}' \
        --request "$1" --url "$2") || code=$?
    case $code in
        0) ;;
        28) failed "No answer within 30 s." "Look at the load of the web processes, and at /ready." ;;
        51 | 60) failed "The certificate is not valid for this address." "Put the certificate right." ;;
        *) failed "Nothing answers at this address (curl: $code)." "See that the web process runs, and that --url is right." ;;
    esac
    while [[ $response =~ ^HTTP/[0-9.]+\ 1[0-9][0-9] ]]; do response=${response#*$'\r\n\r\n'}; done
    head=${response%%$'\r\n\r\n'*} rest=${response#*$'\r\n\r\n'}
    read -r STATUS TOOK_MS <<<"${rest##*$'\n'}"
    TOOK_MS=$((10#${TOOK_MS/[.,]/} / 1000))
    BODY=${rest%$'\n'*}
    RETRY_AFTER_S=1
    if [[ $head =~ [Rr]etry-[Aa]fter:\ *([0-9]{1,9}) ]]; then RETRY_AFTER_S=${BASH_REMATCH[1]}; fi
}

# One call of the portal, which must be answered with one of these statuses.
ask() { # statuses, method, path, body, header
    local takes=$1 try
    shift
    for try in 1 2 3; do
        request "$1" "$URL$2" "${3:-}" "${4:-}"
        if [ "$STATUS" != 429 ] || [ "$try" = 3 ] || [ "$RETRY_AFTER_S" -gt 60 ]; then break; fi
        sleep "$RETRY_AFTER_S"
    done
    case $STATUS in
        3??) failed "The address leads on to another one." "Give --url the address that the portal itself answers at." ;;
    esac
    jq -e 'type == "object" or type == "array"' <<<"$BODY" >/dev/null 2>&1 ||
        failed "The answer is no JSON, so it is not the portal's." "See that --url is the portal's address."
    case " $takes " in
        *" $STATUS "*) ;;
        *) refused ;;
    esac
}

refused() {
    local said step
    said=$(jq -r '[.error.message // empty, (.error.details // {} | to_entries[] | "\(.key): \(.value)")] | join(" ")' <<<"$BODY")
    case $(field .error.code) in
        wrong_credentials) step="Correct --email, or PORTAL_SMOKE_PASSWORD." ;;
        second_factor_required) step="Give the code of the account's second factor with --code." ;;
        wrong_code) step="Wait for the next code of the second factor, and give it with --code." ;;
        suspended) step="The company is suspended: resume it, or sign in as somebody of another one." ;;
        never_connected) step="Connect the unit first." ;;
        evolution_unreachable) step="See that the Evolution server is up, and that EVOLUTION_API_URL is its address." ;;
        evolution_key_refused) step="EVOLUTION_API_KEY must be the server's AUTHENTICATION_API_KEY." ;;
        evolution_not_licensed) step="Activate the licence of the Evolution server." ;;
        evolution_full) step="Add an Evolution server, or raise the capacity of one." ;;
        connection_error) step="Run the smoke test again in a minute; if it stays so, read the log of the Evolution server." ;;
        *)
            case $STATUS in
                403) step="Sign in as an administrator of the company." ;;
                404) step="See that --url is the portal's address, and that the unit still exists." ;;
                422) step="Correct what the sentence names." ;;
                429) step="Wait for some minutes: this address, token or account called too often." ;;
                5??) step="Look at /ready, and at the portal's log around this time." ;;
                *) step="Compare the version of the portal with that of this script." ;;
            esac
            ;;
    esac
    failed "${said:-The portal answered $STATUS.}" "$step"
}

state() { field '.status + (if .reason then " (\(.reason))" else "" end)'; }

scan_with_simulator() {
    local token=$TOKEN
    # The portal's token is none of the simulator's business.
    TOKEN=""
    request POST "${SIMULATOR%/}/simulator/scan" "$(jq -c '{picture: .qrCode}' <<<"$BODY")"
    TOKEN=$token
    [ "$STATUS" = 200 ] || failed "The simulator shows no such code." "See that SIMULATOR_URL is what the portal calls."
}

await_phone() { # path of the unit's connection, address of its page
    local shown="" code_at began=$SECONDS told=$SECONDS
    until [ "$(field .status)" = connected ]; do
        ask "200 202 404 409" GET "$1/qrcode"
        code_at=$(field .qrUpdatedAt)
        if [ -n "$(field .qrCode)" ] && [ "$code_at" != "$shown" ]; then
            if [ "$SCAN_WITH" = simulator ]; then
                scan_with_simulator
            elif [ -z "$shown" ]; then
                printf '\nScan the code in WhatsApp › Linked devices › Link a device: %s\n' "$2" >&2
            fi
            shown=$code_at
        fi
        if [ $((SECONDS - began)) -ge "$SCAN_LIMIT_S" ]; then
            failed "No phone was linked within $SCAN_LIMIT_S s." "Take the unit's phone, and run the smoke test again."
        fi
        if [ $((SECONDS - told)) -ge 15 ]; then
            told=$SECONDS
            printf 'Waiting for the phone, %s of %s s\n' "$((SECONDS - began))" "$SCAN_LIMIT_S" >&2
        fi
        sleep 1
        ask 200 GET "$1/status"
        case $(field .status) in
            disconnected | not_configured)
                failed "There is no code to scan any more: the unit is $(state)." \
                    "See the unit's page for the reason, and run the smoke test again."
                ;;
        esac
    done
}

await_delivery() { # id of the message
    local began=$SECONDS status
    while true; do
        ask 200 GET "/messages/$1"
        status=$(field .status)
        case $status in
            delivered | read)
                passed "$status, seen after $((SECONDS - began)) s"
                return
                ;;
            failed | cancelled)
                failed "The message is $status ($(field .errorCode)): $(field .error)" \
                    "Correct what the sentence names, and run the smoke test again."
                ;;
        esac
        if [ $((SECONDS - began)) -ge "$DELIVERY_LIMIT_S" ]; then
            failed "The message is still $status after $DELIVERY_LIMIT_S s." \
                "See at /ready whether a worker runs, and that webhooks of Evolution reach BASE_URL."
        fi
        sleep 1
    done
}

NAME="health"
ask 200 GET /health
[ "$(field .status)" = ok ] || failed "The portal does not say that it is well." "See that --url is the portal's address."
passed "version $(field .version)"

NAME="login"
ask 200 POST /admin/login \
    "$(jq -cn '{email: env.EMAIL, password: env.PORTAL_SMOKE_PASSWORD} + if env.CODE == "" then {} else {code: env.CODE} end')"
[ "$(field .user.role)" = tenant_admin ] ||
    failed "This account is a $(field .user.role), which may not make all calls." "Sign in as an administrator of a company."
TOKEN=$(field .accessToken)
passed "tenant_admin of $(field .user.tenant)"

NAME="units"
ask 200 GET /admin/units
SLUGS=$(jq -r 'map(.slug) | join(", ")' <<<"$BODY") NUMBER=$(jq length <<<"$BODY")
CHOSEN=$(jq -c 'if env.UNIT == "" then (if length == 1 then .[0] else empty end)
    else first(.[] | select(.slug == env.UNIT or .id == env.UNIT)) end' <<<"$BODY")
if [ -z "$CHOSEN" ]; then
    WHAT="The company has $NUMBER units."
    [ -z "$UNIT" ] || WHAT="No unit is called $UNIT."
    failed "$WHAT" "Name one of these with --unit: $SLUGS."
fi
UNIT_ID=$(jq -r .id <<<"$CHOSEN") UNIT_PATH=/units/$(jq -r .id <<<"$CHOSEN")/whatsapp
PAGE=$URL$(jq -r '"/t/\(.tenant)/units/\(.slug)/connect"' <<<"$CHOSEN")
export UNIT_ID
passed "$(jq -r .slug <<<"$CHOSEN"), one of $NUMBER"

NAME="connect"
ask "201 202 409" POST "$UNIT_PATH/connect" '{"provider":"evolution","credentials":{}}'
case $STATUS in
    409) passed "no code is needed: $(field .error.message)" ;;
    *) passed "a code was asked for" ;;
esac

NAME="status before"
ask 200 GET "$UNIT_PATH/status"
passed "$(state)$([ "$(field .status)" != connected ] || printf ': nothing has to be scanned')"

NAME="status after"
await_phone "$UNIT_PATH" "$PAGE"
ask 200 GET "$UNIT_PATH/status"
[ "$(field .status)" = connected ] || failed "The unit is $(state) again." "See the unit's page for the reason."
OWN=$(field .phone)
passed "connected as $(masked "$OWN")"

NAME="message"
if [ "$(last_eight "$PHONE")" = "$(last_eight "$OWN")" ]; then
    # Versions of Evolution differ in whether they report that it was delivered.
    failed "This number is the unit's own." "Name another one with --phone, say your own."
fi
MESSAGE_ID=$(jq -rn 'now | strftime("smoke-%Y%m%d-%H%M%S-")')$RANDOM$RANDOM
export MESSAGE_ID
ask "200 202" POST /messages "$(jq -cn '{unitId: env.UNIT_ID, phone: env.PHONE, clientMessageId: env.MESSAGE_ID,
    message: "Smoke test \(env.MESSAGE_ID) of the portal: this number can send. No answer is needed."}')" "Prefer: wait=10"
SENT=$(field .messageId)
case $(field .status) in
    failed | cancelled) await_delivery "$SENT" ;;
esac
passed "$(field .status) to $(masked "$PHONE") as $MESSAGE_ID"

NAME="message status"
await_delivery "$SENT"
printf '%s/%s calls passed\n' "$PASSED" "$TOTAL"
