"""What a ``[[nic]]`` entry says of table main, checked against our numbers.

The metrics of the defaults that are asked for in main become part of what is ours: a metric that
nobody ever asked for is never ours there.
"""

from dataclasses import replace

from srcroutd.core.errors import ConfigError
from srcroutd.core.numbering import Domain
from srcroutd.daemon.configshape import Nic


def with_main_of(nic: Nic, domain: Domain, where: str) -> Domain:
    """The domain with the metrics that an entry asks for. Raises ConfigError, named with ``where``,
    for what contradicts it.
    """
    if domain.protocol in (nic.mirror or ()):
        raise ConfigError(
            f"{where}: mirror: {domain.protocol} is our own protocol; name those of others"
        )
    asked = nic.main_default_metric
    if not asked:
        return domain
    if asked == "auto":
        bands = domain.auto_metrics
    elif band := next((band for band in domain.auto_metrics if asked in band), None):
        raise ConfigError(
            f"{where}: main_default_metric: {asked} lies in {band.start}-{band.stop - 1}, which "
            '"auto" gives out; choose one outside, or "auto"'
        )
    else:
        bands = (range(asked, asked + 1),)
    return domain.with_metrics_of(replace(domain, main_metrics=bands))
