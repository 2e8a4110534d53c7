# The eight calls of a first day against a running portal, as "flask --app wsgi smoke" makes them. Needs nothing but
# Windows PowerShell 5.1 or PowerShell 7.
#
#   $env:PORTAL_SMOKE_PASSWORD = '...'
#   powershell -ExecutionPolicy Bypass -File scripts\smoke.ps1 -Url https://portal.example.com -Email me@company.com `
#       -Phone +5511988880001 [-Unit centro] [-Code 123456]
#
# Pauses until the unit's phone is linked, ends with status 0 only when the message was delivered. Further settings are
# taken from the environment: SMOKE_SCAN_LIMIT_S (300), SMOKE_DELIVERY_LIMIT_S (120), and for a portal beside a
# simulated Evolution API SMOKE_SCAN_WITH=simulator with SIMULATOR_URL. docs/golive/smoke.md says what failures mean.
#
# ASCII only: Windows PowerShell reads other letters of a file without a mark of its encoding wrongly.
[CmdletBinding()]
param(
    [string] $Url = '',
    [string] $Email = '',
    [string] $Phone = '',
    [string] $Unit = '',
    [string] $Code = ''
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.Net.Http
# Windows PowerShell alone would offer older protocols, which portals refuse.
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

$Total = 8
$script:Passed = 0
$script:Name = ''
$script:Token = ''
# What the last call was answered: status, JSON as text and as an object, milliseconds.
$script:Status = '-'
$script:Body = $null
$script:TookMs = 0

$Steps = @{
    wrong_credentials      = 'Correct -Email, or PORTAL_SMOKE_PASSWORD.'
    second_factor_required = "Give the code of the account's second factor with -Code."
    wrong_code             = 'Wait for the next code of the second factor, and give it with -Code.'
    suspended              = 'The company is suspended: resume it, or sign in as somebody of another one.'
    never_connected        = 'Connect the unit first.'
    evolution_unreachable  = 'See that the Evolution server is up, and that EVOLUTION_API_URL is its address.'
    evolution_key_refused  = "EVOLUTION_API_KEY must be the server's AUTHENTICATION_API_KEY."
    evolution_not_licensed = 'Activate the licence of the Evolution server.'
    evolution_full         = 'Add an Evolution server, or raise the capacity of one.'
    connection_error       = 'Run the smoke test again in a minute; if it stays so, read the log of the Evolution server.'
}

function Stop-Usage([string] $Problem) {
    [Console]::Error.WriteLine($Problem)
    [Console]::Error.WriteLine('Usage: smoke.ps1 -Url URL -Email EMAIL -Phone PHONE [-Unit UNIT] [-Code CODE]')
    exit 2
}

function Get-Setting([string] $Name, [string] $Usual) {
    $value = [Environment]::GetEnvironmentVariable($Name)
    if ($value) { return $value }
    return $Usual
}

function Get-Seconds([string] $Name, [string] $Usual) {
    $value = Get-Setting $Name $Usual
    if ($value -notmatch '^[0-9]{1,6}$') { Stop-Usage "$Name must be whole seconds." }
    return [int] $value
}

function Test-Address([string] $Address) {
    $uri = $null
    if (-not [Uri]::TryCreate($Address, [UriKind]::Absolute, [ref] $uri)) { return $false }
    if ($uri.UserInfo -or $uri.Query -or $uri.Fragment) { return $false }
    return ($uri.Scheme -eq 'https') -or (($uri.Scheme -eq 'http') -and $uri.IsLoopback)
}

# A field of an object of an answer, or of one in it; nothing where there is none.
function Get-Field($Object, [string[]] $Path) {
    foreach ($part in $Path) {
        if ($null -eq $Object) { return $null }
        $property = $Object.PSObject.Properties[$part]
        if ($null -eq $property) { return $null }
        $Object = $property.Value
    }
    return $Object
}

function Get-Masked([string] $Number) {
    return '****' + $Number.Substring([Math]::Max(0, $Number.Length - 4))
}

# Of a number, however it is typed: with or without country code and ninth digit these are the same.
function Get-LastEight([string] $Number) {
    $digits = '00000000' + ($Number -replace '[^0-9]', '')
    return $digits.Substring($digits.Length - 8)
}

function Write-Call([int] $Number, [string] $Verdict, [string] $Detail) {
    $line = '{0}/{1} {2,-14} {3,-6} {4,3} {5,6} ms  {6}'
    [Console]::Out.WriteLine(($line -f $Number, $Total, $script:Name, $Verdict, $script:Status, $script:TookMs, $Detail))
}

function Write-Total {
    [Console]::Out.WriteLine(('{0}/{1} calls passed' -f $script:Passed, $Total))
}

function Complete-Call([string] $Detail) {
    $script:Passed += 1
    Write-Call $script:Passed 'ok' $Detail
}

function Stop-Failed([string] $What, [string] $Step) {
    Write-Call ($script:Passed + 1) 'FAILED' ($What + ' What to do: ' + $Step)
    Write-Total
    exit 1
}

function Stop-Refused {
    $said = @(Get-Field $script:Body @('error', 'message'))
    $details = Get-Field $script:Body @('error', 'details')
    if ($null -ne $details) {
        $said += @($details.PSObject.Properties | ForEach-Object { $_.Name + ': ' + $_.Value })
    }
    $what = ($said | Where-Object { $_ }) -join ' '
    if (-not $what) { $what = 'The portal answered ' + $script:Status + '.' }
    $code = Get-Field $script:Body @('error', 'code')
    if ($code -and $Steps.ContainsKey($code)) { $step = $Steps[$code] }
    elseif ($script:Status -eq 403) { $step = 'Sign in as an administrator of the company.' }
    elseif ($script:Status -eq 404) { $step = "See that -Url is the portal's address, and that the unit still exists." }
    elseif ($script:Status -eq 422) { $step = 'Correct what the sentence names.' }
    elseif ($script:Status -eq 429) { $step = 'Wait for some minutes: this address, token or account called too often.' }
    elseif ($script:Status -ge 500) { $step = "Look at /ready, and at the portal's log around this time." }
    else { $step = 'Compare the version of the portal with that of this script.' }
    Stop-Failed $what $step
}

# One request; says for how many seconds the server wants to be left alone, 1 where it does not say.
function Send-Request([string] $Method, [string] $Address, $Content, [string] $Prefer) {
    $request = [Net.Http.HttpRequestMessage]::new([Net.Http.HttpMethod]::new($Method), [Uri] $Address)
    $request.Headers.Add('Accept', 'application/json')
    $request.Headers.Add('Accept-Language', 'en')
    if ($script:Token) { $request.Headers.Add('Authorization', 'Bearer ' + $script:Token) }
    if ($Prefer) { $request.Headers.Add('Prefer', $Prefer) }
    if ($null -ne $Content) {
        $json = ConvertTo-Json $Content -Depth 5 -Compress
        $request.Content = [Net.Http.StringContent]::new($json, [Text.Encoding]::UTF8, 'application/json')
    }
    $script:Status = '-'
    $script:Body = $null
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $response = $null
    $text = ''
    # What went wrong, and what that came from.
    $problems = @()
    try {
        $response = $Http.SendAsync($request).GetAwaiter().GetResult()
        $text = $response.Content.ReadAsStringAsync().GetAwaiter().GetResult()
    }
    catch {
        for ($problem = $_.Exception; $null -ne $problem; $problem = $problem.InnerException) { $problems += $problem }
    }
    $script:TookMs = [int] $watch.ElapsedMilliseconds
    if (@($problems | Where-Object { $_.GetType().Name -eq 'AuthenticationException' }).Count) {
        Stop-Failed 'The certificate is not valid for this address.' 'Put the certificate right.'
    }
    if (@($problems | Where-Object { $_ -is [OperationCanceledException] }).Count) {
        Stop-Failed 'No answer within 30 s.' 'Look at the load of the web processes, and at /ready.'
    }
    if ($problems.Count) {
        Stop-Failed 'Nothing answers at this address.' 'See that the web process runs, and that -Url is right.'
    }
    $script:Status = [int] $response.StatusCode
    if (($script:Status -ge 300) -and ($script:Status -lt 400)) {
        Stop-Failed 'The address leads on to another one.' 'Give -Url the address that the portal itself answers at.'
    }
    try { $script:Body = ConvertFrom-Json $text }
    catch { Stop-Failed "The answer is no JSON, so it is not the portal's." "See that -Url is the portal's address." }
    $after = $response.Headers.RetryAfter
    if (($null -ne $after) -and ($null -ne $after.Delta)) { return [int] $after.Delta.TotalSeconds }
    return 1
}

# One call of the portal, which must be answered with one of these statuses.
function Invoke-Portal([int[]] $Takes, [string] $Method, [string] $Path, $Content, [string] $Prefer) {
    foreach ($try in 1, 2, 3) {
        $after = Send-Request $Method ($Url + $Path) $Content $Prefer
        if (($script:Status -ne 429) -or ($try -eq 3) -or ($after -gt 60)) { break }
        Start-Sleep -Seconds $after
    }
    if ($Takes -notcontains $script:Status) { Stop-Refused }
}

function Get-State {
    $reason = Get-Field $script:Body 'reason'
    if ($reason) { return '{0} ({1})' -f (Get-Field $script:Body 'status'), $reason }
    return Get-Field $script:Body 'status'
}

function Test-Simulator {
    try {
        $response = $Http.GetAsync($Simulator + '/simulator/instances').GetAwaiter().GetResult()
        $text = $response.Content.ReadAsStringAsync().GetAwaiter().GetResult()
    }
    catch { return $false }
    return ([int] $response.StatusCode -eq 200) -and ($text -match '^\s*\[')
}

function Invoke-SimulatedScan {
    $picture = Get-Field $script:Body 'qrCode'
    $kept = $script:Token
    # The portal's token is none of the simulator's business.
    $script:Token = ''
    $null = Send-Request 'POST' ($Simulator + '/simulator/scan') @{ picture = $picture } ''
    $script:Token = $kept
    if ($script:Status -ne 200) {
        Stop-Failed 'The simulator shows no such code.' 'See that SIMULATOR_URL is what the portal calls.'
    }
}

function Wait-Phone([string] $Connection, [string] $Page) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $told = 0
    $shown = ''
    while ((Get-Field $script:Body 'status') -ne 'connected') {
        Invoke-Portal @(200, 202, 404, 409) 'GET' ($Connection + '/qrcode') $null ''
        $codeAt = [string] (Get-Field $script:Body 'qrUpdatedAt')
        if ((Get-Field $script:Body 'qrCode') -and ($codeAt -ne $shown)) {
            if ($ScanWith -eq 'simulator') { Invoke-SimulatedScan }
            elseif (-not $shown) {
                [Console]::Error.WriteLine('Scan the code in WhatsApp > Linked devices > Link a device: ' + $Page)
            }
            $shown = $codeAt
        }
        $waited = [int] $watch.Elapsed.TotalSeconds
        if ($waited -ge $ScanLimitS) {
            Stop-Failed "No phone was linked within $ScanLimitS s." "Take the unit's phone, and run the smoke test again."
        }
        if (($waited - $told) -ge 15) {
            $told = $waited
            [Console]::Error.WriteLine("Waiting for the phone, $waited of $ScanLimitS s")
        }
        Start-Sleep -Seconds 1
        Invoke-Portal @(200) 'GET' ($Connection + '/status') $null ''
        if (@('disconnected', 'not_configured') -contains (Get-Field $script:Body 'status')) {
            $what = 'There is no code to scan any more: the unit is ' + (Get-State) + '.'
            Stop-Failed $what "See the unit's page for the reason, and run the smoke test again."
        }
    }
}

function Wait-Delivery([string] $MessageId) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        Invoke-Portal @(200) 'GET' ('/messages/' + $MessageId) $null ''
        $became = Get-Field $script:Body 'status'
        $waited = [int] $watch.Elapsed.TotalSeconds
        if (@('delivered', 'read') -contains $became) {
            Complete-Call "$became, seen after $waited s"
            return
        }
        if (@('failed', 'cancelled') -contains $became) {
            $reason = Get-Field $script:Body 'error'
            $what = 'The message is {0} ({1}): {2}' -f $became, (Get-Field $script:Body 'errorCode'), $reason
            Stop-Failed $what 'Correct what the sentence names, and run the smoke test again.'
        }
        if ($waited -ge $DeliveryLimitS) {
            $what = "The message is still $became after $DeliveryLimitS s."
            Stop-Failed $what 'See at /ready whether a worker runs, and that webhooks of Evolution reach BASE_URL.'
        }
        Start-Sleep -Seconds 1
    }
}

$Url = $Url.TrimEnd('/')
$Password = Get-Setting 'PORTAL_SMOKE_PASSWORD' ''
$ScanWith = Get-Setting 'SMOKE_SCAN_WITH' 'phone'
$Simulator = (Get-Setting 'SIMULATOR_URL' '').TrimEnd('/')
$ScanLimitS = Get-Seconds 'SMOKE_SCAN_LIMIT_S' '300'
$DeliveryLimitS = Get-Seconds 'SMOKE_DELIVERY_LIMIT_S' '120'
if (-not (Test-Address $Url)) { Stop-Usage '-Url must begin with https://, or the password could be read on the way.' }
if (-not $Email) { Stop-Usage '-Email is missing.' }
if (-not $Password) { Stop-Usage 'Give the password in PORTAL_SMOKE_PASSWORD, and not on the command line.' }
if (@('phone', 'simulator') -notcontains $ScanWith) { Stop-Usage 'SMOKE_SCAN_WITH must be phone or simulator.' }
if (($ScanWith -eq 'simulator') -and -not (Test-Address $Simulator)) {
    Stop-Usage 'SIMULATOR_URL must be the address of the simulated Evolution API.'
}
# Somebody of the simulator. Elsewhere the unit may be a real one, and the number anybody's.
if (-not $Phone -and ($ScanWith -eq 'simulator') -and ([Uri] $Url).IsLoopback) { $Phone = '+5511988880001' }
if (-not $Phone) { Stop-Usage 'Say with -Phone who gets the message, say your own number.' }

$handler = [Net.Http.HttpClientHandler]::new()
$handler.AllowAutoRedirect = $false
$Http = [Net.Http.HttpClient]::new($handler)
$Http.Timeout = [TimeSpan]::FromSeconds(30)
if (($ScanWith -eq 'simulator') -and -not (Test-Simulator)) {
    [Console]::Error.WriteLine('SIMULATOR_URL: no simulator answers. Start the simulator, or correct SIMULATOR_URL.')
    exit 1
}

$script:Name = 'health'
Invoke-Portal @(200) 'GET' '/health' $null ''
if ((Get-Field $script:Body 'status') -ne 'ok') {
    Stop-Failed 'The portal does not say that it is well.' "See that -Url is the portal's address."
}
Complete-Call ('version ' + (Get-Field $script:Body 'version'))

$script:Name = 'login'
$login = @{ email = $Email; password = $Password }
if ($Code) { $login['code'] = $Code }
Invoke-Portal @(200) 'POST' '/admin/login' $login ''
$role = Get-Field $script:Body @('user', 'role')
if ($role -ne 'tenant_admin') {
    Stop-Failed "This account is a $role, which may not make all calls." 'Sign in as an administrator of a company.'
}
$script:Token = Get-Field $script:Body 'accessToken'
Complete-Call ('tenant_admin of ' + (Get-Field $script:Body @('user', 'tenant')))

$script:Name = 'units'
Invoke-Portal @(200) 'GET' '/admin/units' $null ''
$units = @($script:Body | Where-Object { $null -ne $_ })
$chosen = @($units | Where-Object { (-not $Unit -and ($units.Count -eq 1)) -or ($_.slug -eq $Unit) -or ($_.id -eq $Unit) })
if ($chosen.Count -eq 0) {
    $what = 'The company has {0} units.' -f $units.Count
    if ($Unit) { $what = "No unit is called $Unit." }
    Stop-Failed $what ('Name one of these with -Unit: ' + (@($units | ForEach-Object { $_.slug }) -join ', ') + '.')
}
$unitId = $chosen[0].id
$connection = '/units/{0}/whatsapp' -f $unitId
$page = '{0}/t/{1}/units/{2}/connect' -f $Url, $chosen[0].tenant, $chosen[0].slug
Complete-Call ('{0}, one of {1}' -f $chosen[0].slug, $units.Count)

$script:Name = 'connect'
Invoke-Portal @(201, 202, 409) 'POST' ($connection + '/connect') @{ provider = 'evolution'; credentials = @{} } ''
if ($script:Status -eq 409) { Complete-Call ('no code is needed: ' + (Get-Field $script:Body @('error', 'message'))) }
else { Complete-Call 'a code was asked for' }

$script:Name = 'status before'
Invoke-Portal @(200) 'GET' ($connection + '/status') $null ''
$detail = Get-State
if ((Get-Field $script:Body 'status') -eq 'connected') { $detail += ': nothing has to be scanned' }
Complete-Call $detail

$script:Name = 'status after'
Wait-Phone $connection $page
Invoke-Portal @(200) 'GET' ($connection + '/status') $null ''
if ((Get-Field $script:Body 'status') -ne 'connected') {
    Stop-Failed ('The unit is ' + (Get-State) + ' again.') "See the unit's page for the reason."
}
$own = [string] (Get-Field $script:Body 'phone')
Complete-Call ('connected as ' + (Get-Masked $own))

$script:Name = 'message'
if ((Get-LastEight $Phone) -eq (Get-LastEight $own)) {
    # Versions of Evolution differ in whether they report that it was delivered.
    Stop-Failed "This number is the unit's own." 'Name another one with -Phone, say your own.'
}
$id = 'smoke-{0:yyyyMMdd-HHmmss}-{1}' -f [DateTime]::UtcNow, [Guid]::NewGuid().ToString('N').Substring(0, 8)
$order = @{
    unitId          = $unitId
    phone           = $Phone
    message         = "Smoke test $id of the portal: this number can send. No answer is needed."
    clientMessageId = $id
}
Invoke-Portal @(200, 202) 'POST' '/messages' $order 'wait=10'
$messageId = Get-Field $script:Body 'messageId'
$became = Get-Field $script:Body 'status'
if (@('failed', 'cancelled') -contains $became) { Wait-Delivery $messageId }
Complete-Call ('{0} to {1} as {2}' -f $became, (Get-Masked $Phone), $id)

$script:Name = 'message status'
Wait-Delivery $messageId
Write-Total
exit 0
