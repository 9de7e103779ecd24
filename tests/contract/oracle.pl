#!/usr/bin/perl
# debhelper's own Perl library as the oracle of the contract tests.
#
# Reads one JSON object a line: id, directory, environment, arguments. For each
# it forks, so that the library's caches are fresh, and does in that directory
# what a helper does: init(), config files, substvars, snippets, triggers. It
# prints one JSON object a line: id, status, and what the library answered.
# Which debhelper answers is PERL5LIB's choice.
use strict;
use warnings;
use JSON::PP;
use Debian::Debhelper::Dh_Lib;
require Debian::Debhelper::Dh_Getopt;
require Dpkg::Arch;
require Dpkg::BuildProfiles;

our $VERSION = '1.0';
$Debian::Debhelper::Dh_Lib::TOOL_NAME = 'dh_oracle';
my $json = JSON::PP->new->canonical->utf8;
$| = 1;

# Compat 14 knows opt-ins for --name and architectures; before, all is on.
my $opt_in = defined(&Debian::Debhelper::Dh_Lib::ensure_substvars_are_present);

sub truth { return $_[0] ? JSON::PP::true : JSON::PP::false }

sub config {
	my ($path) = @_;
	return undef if not $path;
	my $text = join(' ', map { @$_ } filedoublearray($path));
	$text =~ s/\s+/ /g;
	$text =~ s/^ | $//g;
	return { path => $path, text => $text };
}

sub answer {
	my ($case) = @_;
	my @given = @{$case->{arguments}};
	@ARGV = @given;
	my %own = (index => undef, quick => 0, extra => [], level => undef);
	init(options => {
		'index=s' => \$own{index},
		'quick|q' => \$own{quick},
		'extra=s' => sub { push(@{$own{extra}}, $_[1]) },
		'level:s' => \$own{level},
	});
	$own{quick} = truth($own{quick});
	compat(13);
	my ($level) = Debian::Debhelper::Dh_Lib::get_compat_info();
	my %position;
	$position{$_} = keys(%position) for getpackages();
	my @selected = sort { $position{$a} <=> $position{$b} } @{$dh{DOPACKAGES}};
	my $parsed = length($ENV{DH_OPTIONS} // '') || length($ENV{DH_INTERNAL_OPTIONS} // '') || grep({ /^-/ } @given);
	my (%tmpdir, %config, %plain);
	for my $package (@selected) {
		$tmpdir{$package} = tmpdir($package);
		$config{$package} = config(
			$opt_in
			? pkgfile({ 'named' => 1, 'support-architecture-restriction' => 1 }, $package, 'venv')
			: pkgfile($package, 'venv')
		);
		$plain{$package} = pkgfile($package, 'venv') || undef;
	}
	write_files($_) for @selected;
	return {
		selected => \@selected,
		main     => $dh{MAINPACKAGE},
		compat   => int($level),
		tmpdir   => \%tmpdir,
		config   => \%config,
		plain    => \%plain,
		excluded => { map { $_ => truth(excludefile($_)) } @{$case->{paths}} },
		own      => \%own,
		options  => {
			verbose => truth($dh{VERBOSE}),
			no_act  => truth($dh{NO_ACT}),
			quiet   => truth($dh{QUIET}),
			noscripts   => truth($dh{NOSCRIPTS}),
			onlyscripts => truth($dh{ONLYSCRIPTS}),
			d    => truth($dh{D_FLAG}),
			all  => truth($dh{PARAMS_ALL}),
			u    => $dh{U_PARAMS},
			V    => $dh{V_FLAG},
			name => $dh{NAME},
			debug => $dh{DEBUGPACKAGE},
			error_handler => $dh{ERROR_HANDLER} eq 'exit 1' ? undef : $dh{ERROR_HANDLER},
			words => exists($dh{ARGV}) ? $dh{ARGV} : $parsed ? [] : [@ARGV],
		},
	};
}

# What a helper leaves behind, in the order in which ours does it.
sub write_files {
	my ($package) = @_;
	addsubstvar($package, 'misc:Depends', 'notes-common');
	addsubstvar($package, 'misc:Depends', 'init-system-helpers', '>= 1.54');
	addsubstvar($package, 'misc:Depends', 'notes-common');
	addsubstvar($package, 'venv:Depends', 'python3');
	addsubstvar($package, 'old:Depends', 'gone', undef, 1);
	delsubstvar($package, 'stale:Depends');
	if (not $dh{NOSCRIPTS}) {
		for my $script (qw(preinst postinst prerm postrm)) {
			autoscript($package, $script, 'oracle-one', { PACKAGE => $package });
			autoscript($package, $script, 'oracle-two', { PACKAGE => $package });
		}
		for my $script (qw(postinst prerm)) {
			autoscript($package, $script, 'oracle-one', { PACKAGE => $package }, { 'snippet-order' => 'service' });
			autoscript($package, $script, 'oracle-two', { PACKAGE => $package }, { 'snippet-order' => 'service' });
		}
	}
	autotrigger($package, 'activate-noawait', 'notes-changed');
	autotrigger($package, 'interest', '/usr/lib/notes');
	autotrigger($package, 'activate-noawait', 'notes-changed');
	log_installed_files($package, 'src/a', 'src/b');
	log_installed_files($package, 'src/c');
}

while (my $line = <STDIN>) {
	my $case = $json->decode($line);
	my $result = "$case->{directory}/result.json";
	my $messages = "$case->{directory}/messages";
	my $child = fork() // die("fork: $!\n");
	if (not $child) {
		open(STDIN, '<', '/dev/null') or die("stdin: $!\n");
		open(STDOUT, '>', '/dev/null') or die("stdout: $!\n");
		open(STDERR, '>', $messages) or die("stderr: $!\n");
		chdir($case->{directory}) or die("chdir: $!\n");
		%ENV = %{$case->{environment}};
		my $answer = answer($case);
		open(my $out, '>', $result) or die("result: $!\n");
		print {$out} $json->encode($answer);
		close($out) or die("result: $!\n");
		exit(0);
	}
	waitpid($child, 0);
	my %report = (id => $case->{id}, status => $?);
	if (open(my $in, '<', $result)) {
		local $/;
		$report{answer} = $json->decode(<$in>);
	}
	if (open(my $in, '<', $messages)) {
		local $/;
		$report{messages} = <$in>;
	}
	print $json->encode(\%report), "\n";
}
